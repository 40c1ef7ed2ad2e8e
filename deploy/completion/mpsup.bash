# SPDX-License-Identifier: MIT
# bash completion for mpsup; made by scripts/make-docs.py from mpsup.bash.in and mpsup's own tables.

# What $word may become; $before is the part of it that stays, $cut what bash keeps by itself. Not by compgen -W, which would expand what it is given.
_mpsup_offer() {
    local reply
    for reply in "${@/#/$before}"; do
        [[ $reply == "$word"* ]] && COMPREPLY+=("${reply#"$cut"}")
    done
    # More of it may follow.
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=] ]] && compopt -o nospace
}

_mpsup_files() {
    compopt -o default
}

# What runs: all targets, pools (with their instances), or instances.
_mpsup_live() {
    local targets=() target
    mapfile -t targets < <(mpsup list --targets 2>/dev/null)
    for target in "${targets[@]}"; do
        case $1:$target in
        target:*|*:*:|pool:*[!:]) [[ $1:$target == pool:*/* ]] || _mpsup_offer "$target" ;;
        esac
    done
}

# A value or argument of that kind; further words are those that it may be.
_mpsup_kind() {
    local kind=$1 words=()
    shift
    case $kind in
    file) _mpsup_files ;;
    target|pool|instance) _mpsup_live "$kind" ;;
    user) mapfile -t words < <(compgen -u); _mpsup_offer "${words[@]}" ;;
    group) mapfile -t words < <(compgen -g); _mpsup_offer "${words[@]}" ;;
    signal) mapfile -t words < <(compgen -A signal SIG); _mpsup_offer "${words[@]#SIG}" ;;
    words|keys) _mpsup_offer "$@" ;;
    list)
        [[ $word == *,* ]] && before=${word%,*},
        _mpsup_offer "$@"
        ;;
    esac
}

# The value of an option: the verb and the option.
_mpsup_value() {
    case $1:$2 in
    run:-c|run:--config) _mpsup_kind file ;;
    run:--listen) _mpsup_kind words unix: ;;
    run:--protocol) _mpsup_kind words auto native node-cluster node-ipc systemd bind ;;
    run:--balance) _mpsup_kind words auto shared reuseport roundrobin sticky ;;
    run:--unlisted) _mpsup_kind words open refuse pass ;;
    run:--compat) _mpsup_kind list einhorn server-starter ;;
    run:-w|run:--workers) _mpsup_kind words max ;;
    run:--cpus) _mpsup_kind list all physical numa: llc: ;;
    run:--cwd) _mpsup_kind file ;;
    run:--env-file) _mpsup_kind file ;;
    run:--credential) _mpsup_kind file ;;
    run:--env-inherit) _mpsup_kind list all none ;;
    run:-u|run:--user) _mpsup_kind user ;;
    run:-g|run:--group) _mpsup_kind group ;;
    run:--groups) _mpsup_kind group ;;
    run:--policy) _mpsup_kind file ;;
    run:--view) _mpsup_kind words app host ;;
    run:--ro) _mpsup_kind file ;;
    run:--rw) _mpsup_kind file ;;
    run:--hide) _mpsup_kind file ;;
    run:--net) _mpsup_kind words host none ;;
    run:--no-sandbox) _mpsup_kind list pid mount ipc uts cgroup net user uid groups caps nnp seccomp view landlock pin fds rlimits env ;;
    run:--require) _mpsup_kind list pid mount ipc uts cgroup net user uid groups caps nnp seccomp view landlock pin fds rlimits env all ;;
    run:--on-failed) _mpsup_kind words exit hold ;;
    run:--ready) _mpsup_kind words auto notify listen exec ;;
    run:--surge) _mpsup_kind words all ;;
    run:--drain) _mpsup_kind words auto protocol observe signal ;;
    run:--stop-signal) _mpsup_kind signal ;;
    run:--pidfile) _mpsup_kind file ;;
    run:--log-file) _mpsup_kind file ;;
    run:--log-format) _mpsup_kind words text json ;;
    run:--control-group) _mpsup_kind group ;;
    run:--view-group) _mpsup_kind group ;;
    run:--set) _mpsup_kind keys port= listen= backlog= protocol= balance= unlisted= compat= workers= cpus= no_pin= spares= parallel= cwd= env= env_file= credential= env_inherit= user= group= groups= policy= view= ro= rw= hide= net= no_sandbox= require= command= demo= limits.memory= limits.memory_high= limits.swap= limits.cpu_quota= limits.cpu_weight= limits.pids= limits.io= limits.raw= limits.oom_score_adj= limits.tmp= limits.nofile= total.memory= total.memory_high= total.swap= total.cpu_quota= total.cpu_weight= total.pids= total.io= total.raw= restart.limit= restart.boot_limit= restart.backoff= restart.fatal_exit= restart.on_failed= restart.ready= restart.ready_timeout= restart.surge= restart.drain_timeout= restart.drain= restart.drain_idle= restart.stop_timeout= restart.stop_signal= restart.max_age= restart.recycle_memory= restart.watchdog= log.file= log.rotate= log.keep= log.format= log.rate= control.group= control.view_group= ;;
    reload:--wait) _mpsup_kind words ready drained ;;
    check:-c|check:--config) _mpsup_kind file ;;
    import:-o|import:--output) _mpsup_kind file ;;
    esac
}

# Takes the option a value, and so the next word?
_mpsup_takes() {
    case $1:$2 in
    run:-n|run:--name|run:-c|run:--config|run:-p|run:--port|run:--listen|run:--backlog|run:--protocol|run:--balance|run:--unlisted|run:--compat|run:-w|run:--workers|run:--cpus|run:--spares|run:--parallel|run:--cwd|run:-e|run:--env|run:--env-file|run:--credential|run:--env-inherit|run:-u|run:--user|run:-g|run:--group|run:--groups|run:--policy|run:--view|run:--ro|run:--rw|run:--hide|run:--net|run:--no-sandbox|run:--require|run:--memory|run:--memory-high|run:--swap|run:--cpu-quota|run:--cpu-weight|run:--pids|run:--io|run:--raw|run:--oom-score-adj|run:--tmp|run:--nofile|run:--restart-limit|run:--boot-limit|run:--backoff|run:--fatal-exit|run:--on-failed|run:--ready|run:--ready-timeout|run:--surge|run:--drain-timeout|run:--drain|run:--drain-idle|run:--stop-timeout|run:--stop-signal|run:--max-age|run:--recycle-memory|run:--watchdog|run:--pidfile|run:--log-file|run:--log-format|run:--control-group|run:--view-group|run:--set) ;;
    logs:-n|logs:--lines|logs:--since) ;;
    events:--since) ;;
    reload:--wait) ;;
    check:-c|check:--config) ;;
    wait:--timeout) ;;
    import:--env|import:-o|import:--output) ;;
    *) return 1 ;;
    esac
}

# An argument of a verb: the verb and its number, from 1.
_mpsup_argument() {
    case $1:$2 in
    status:1) _mpsup_kind target ;;
    logs:1) _mpsup_kind target ;;
    events:1) _mpsup_kind target ;;
    stop:1) _mpsup_kind target ;;
    reload:1) _mpsup_kind target ;;
    upgrade:1) _mpsup_kind instance ;;
    restart:1) _mpsup_kind target ;;
    start:1) _mpsup_kind target ;;
    config:1) _mpsup_kind target ;;
    apply:1) _mpsup_kind target ;;
    scale:1) _mpsup_kind pool ;;
    set:1) _mpsup_kind pool ;;
    set:*) _mpsup_kind keys workers= spares= parallel= limits.memory= limits.memory_high= limits.swap= limits.cpu_quota= limits.cpu_weight= limits.pids= limits.io= limits.raw= total.memory= total.memory_high= total.swap= total.cpu_quota= total.cpu_weight= total.pids= total.io= total.raw= restart.limit= restart.boot_limit= restart.backoff= restart.fatal_exit= restart.on_failed= restart.ready= restart.ready_timeout= restart.surge= restart.drain_timeout= restart.drain= restart.drain_idle= restart.stop_timeout= restart.stop_signal= restart.max_age= restart.watchdog= log.file= log.rotate= log.keep= log.format= log.rate= control.group= control.view_group= ;;
    signal:1) _mpsup_kind target ;;
    signal:2) _mpsup_kind signal ;;
    send:1) _mpsup_kind target ;;
    wait:1) _mpsup_kind target ;;
    wait:2) _mpsup_kind words ready stopped ;;
    reopen:1) _mpsup_kind instance ;;
    reset:1) _mpsup_kind target ;;
    import:1) _mpsup_kind words pm2 ;;
    import:2) _mpsup_kind file ;;
    esac
}

_mpsup_options() {
    case $1 in
    run) _mpsup_offer --name --config --port --listen --backlog --protocol --balance --unlisted --compat --workers --cpus --no-pin --spares --parallel --cwd --env --env-file --credential --env-inherit --user --group --groups --policy --view --ro --rw --hide --net --no-sandbox --require --demo --memory --memory-high --swap --cpu-quota --cpu-weight --pids --io --raw --oom-score-adj --tmp --nofile --restart-limit --boot-limit --backoff --fatal-exit --on-failed --ready --ready-timeout --surge --drain-timeout --drain --drain-idle --stop-timeout --stop-signal --max-age --recycle-memory --watchdog --daemonize --pidfile --log-file --log-format --quiet --verbose --control-group --view-group --strict --set --help --version ;;
    status) _mpsup_offer --json --help ;;
    list) _mpsup_offer --json --targets --help ;;
    logs) _mpsup_offer --follow --lines --since --err --help ;;
    events) _mpsup_offer --follow --since --json --help ;;
    stop) _mpsup_offer --help ;;
    reload) _mpsup_offer --no-wait --wait --json --help ;;
    upgrade) _mpsup_offer --json --help ;;
    restart) _mpsup_offer --help ;;
    start) _mpsup_offer --help ;;
    check) _mpsup_offer --config --strict --json --help ;;
    config) _mpsup_offer --help ;;
    apply) _mpsup_offer --dry-run --no-wait --json --help ;;
    scale) _mpsup_offer --help ;;
    set) _mpsup_offer --help ;;
    signal) _mpsup_offer --help ;;
    send) _mpsup_offer --help ;;
    wait) _mpsup_offer --timeout --help ;;
    reopen) _mpsup_offer --help ;;
    reset) _mpsup_offer --help ;;
    import) _mpsup_offer --env --output --help ;;
    esac
}

_mpsup() {
    local words=() word verb=run first=1 count=1 i option='' before='' cut='' kept
    COMPREPLY=()
    # Not COMP_WORDS: bash parts them at each : and = too.
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    [[ ${COMP_LINE:0:COMP_POINT} == *[[:blank:]] ]] && words+=('')
    word=${words[-1]}
    if [[ ${#words[@]} -gt 2 && ${words[1]} != -* ]]; then
        verb=${words[1]}
        first=2
    fi
    for ((i = first; i < ${#words[@]} - 1; i++)); do
        if [[ ${words[i]} == -- && $verb == run ]]; then
            [[ $i -eq $((${#words[@]} - 2)) ]] && mapfile -t COMPREPLY < <(compgen -c -- "$word")
            _mpsup_files
            return
        elif _mpsup_takes "$verb" "${words[i]}"; then
            [[ $((++i)) -eq $((${#words[@]} - 1)) ]] && option=${words[i - 1]}
        elif [[ ${words[i]} != -* ]]; then
            ((count++))
        fi
    done
    if [[ $word == --*=* ]]; then
        option=${word%%=*}
        before=$option=
    fi
    for i in : =; do
        kept=${word%"$i"*}$i
        [[ $COMP_WORDBREAKS == *"$i"* && $word == *"$i"* && ${#kept} -gt ${#cut} ]] && cut=$kept
    done
    if [[ -n $option ]]; then
        _mpsup_value "$verb" "$option"
    elif [[ $word == -* ]]; then
        _mpsup_options "$verb"
    elif [[ ${#words[@]} -eq 2 ]]; then
        _mpsup_offer run status list logs events stop reload upgrade restart start check config apply scale set signal send wait reopen reset import help version
    elif [[ $verb == help ]]; then
        _mpsup_offer run status list logs events stop reload upgrade restart start check config apply scale set signal send wait reopen reset import
    else
        _mpsup_argument "$verb" "$count"
    fi
}
complete -F _mpsup mpsup
