# bash completion for mpsup; made by scripts/make-docs.py.
_mpsup_targets() {
    local line instance
    while read -r instance _; do
        [ "$instance" = INSTANCE ] && continue
        printf '%s:\n' "$instance"
    done < <(mpsup list 2>/dev/null)
    while read -r line; do printf '%s\n' "$line"; done < <(
        mpsup status 2>/dev/null | awk '/^[a-z0-9][a-z0-9._-]*  [a-z]/ { print $1 }')
}

_mpsup() {
    local cur prev verb i
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}
    verb=run
    for ((i = 1; i < COMP_CWORD; i++)); do
        [ "${COMP_WORDS[i]}" = -- ] && { compopt -o default; return; }
    done
    case ${COMP_WORDS[1]} in
    -*) ;;
    *) [ "$COMP_CWORD" -gt 1 ] && verb=${COMP_WORDS[1]} ;;
    esac
    if [ "$COMP_CWORD" -eq 1 ] && [ "${cur:0:1}" != - ]; then
        mapfile -t COMPREPLY < <(compgen -W "run status list logs events stop restart start check config apply scale set signal send wait reopen reset import help version" -- "$cur")
        return
    fi
    if [ "$verb" = run ]; then
        case $prev in
        --protocol) mapfile -t COMPREPLY < <(compgen -W "auto native node-cluster node-ipc systemd bind" -- "$cur"); return ;;
        --balance) mapfile -t COMPREPLY < <(compgen -W "auto shared reuseport roundrobin sticky" -- "$cur"); return ;;
        --unlisted) mapfile -t COMPREPLY < <(compgen -W "open refuse pass" -- "$cur"); return ;;
        --view) mapfile -t COMPREPLY < <(compgen -W "app host" -- "$cur"); return ;;
        --net) mapfile -t COMPREPLY < <(compgen -W "host none" -- "$cur"); return ;;
        --on-failed) mapfile -t COMPREPLY < <(compgen -W "exit hold" -- "$cur"); return ;;
        --log-format) mapfile -t COMPREPLY < <(compgen -W "text json" -- "$cur"); return ;;
        -c|--config|--cwd|--env-file|--credential|--ro|--rw|--hide|--pidfile|--log-file) compopt -o default; return ;;
        -n|--name|-p|--port|--listen|--backlog|--compat|-w|--workers|--cpus|--spares|--parallel|-e|--env|--env-inherit|-u|--user|-g|--group|--groups|--policy|--no-sandbox|--require|--memory|--memory-high|--swap|--cpu-quota|--cpu-weight|--pids|--io|--raw|--oom-score-adj|--tmp|--nofile|--restart-limit|--boot-limit|--backoff|--fatal-exit|--ready|--ready-timeout|--drain-timeout|--stop-timeout|--stop-signal|--watchdog|--control-group|--view-group|--set) return ;;
        esac
    fi
    if [ "${cur:0:1}" = - ]; then
        case $verb in
        run) mapfile -t COMPREPLY < <(compgen -W "--name --config --port --listen --backlog --protocol --balance --unlisted --compat --workers --cpus --no-pin --spares --parallel --cwd --env --env-file --credential --env-inherit --user --group --groups --policy --view --ro --rw --hide --net --no-sandbox --require --demo --memory --memory-high --swap --cpu-quota --cpu-weight --pids --io --raw --oom-score-adj --tmp --nofile --restart-limit --boot-limit --backoff --fatal-exit --on-failed --ready --ready-timeout --drain-timeout --stop-timeout --stop-signal --watchdog --daemonize --pidfile --log-file --log-format --quiet --verbose --control-group --view-group --strict --set --help --version" -- "$cur") ;;
        status) mapfile -t COMPREPLY < <(compgen -W "--json --help" -- "$cur") ;;
        list) mapfile -t COMPREPLY < <(compgen -W "--json --help" -- "$cur") ;;
        logs) mapfile -t COMPREPLY < <(compgen -W "--follow --lines --since --err --help" -- "$cur") ;;
        events) mapfile -t COMPREPLY < <(compgen -W "--follow --since --json --help" -- "$cur") ;;
        stop) mapfile -t COMPREPLY < <(compgen -W "--help" -- "$cur") ;;
        restart) mapfile -t COMPREPLY < <(compgen -W "--help" -- "$cur") ;;
        start) mapfile -t COMPREPLY < <(compgen -W "--help" -- "$cur") ;;
        check) mapfile -t COMPREPLY < <(compgen -W "--config --json --help" -- "$cur") ;;
        config) mapfile -t COMPREPLY < <(compgen -W "--help" -- "$cur") ;;
        apply) mapfile -t COMPREPLY < <(compgen -W "--dry-run --no-wait --json --help" -- "$cur") ;;
        scale) mapfile -t COMPREPLY < <(compgen -W "--help" -- "$cur") ;;
        set) mapfile -t COMPREPLY < <(compgen -W "--help" -- "$cur") ;;
        signal) mapfile -t COMPREPLY < <(compgen -W "--help" -- "$cur") ;;
        send) mapfile -t COMPREPLY < <(compgen -W "--help" -- "$cur") ;;
        wait) mapfile -t COMPREPLY < <(compgen -W "--timeout --help" -- "$cur") ;;
        reopen) mapfile -t COMPREPLY < <(compgen -W "--help" -- "$cur") ;;
        reset) mapfile -t COMPREPLY < <(compgen -W "--help" -- "$cur") ;;
        import) mapfile -t COMPREPLY < <(compgen -W "--env --output --help" -- "$cur") ;;
        esac
        return
    fi
    case $verb in
    help) mapfile -t COMPREPLY < <(compgen -W "run status list logs events stop restart start check config apply scale set signal send wait reopen reset import" -- "$cur") ;;
    check) [ "$prev" = -c ] || [ "$prev" = --config ] && compopt -o default ;;
    import) compopt -o default; mapfile -t COMPREPLY < <(compgen -W pm2 -- "$cur") ;;
    wait) mapfile -t COMPREPLY < <(compgen -W "ready stopped $(_mpsup_targets)" -- "$cur") ;;
    run) compopt -o default ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$(_mpsup_targets)" -- "$cur") ;;
    esac
}
complete -F _mpsup mpsup
