#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes what is made from mpsup's own tables: the man pages mpsup(8) and mpsup.yaml(5), completion
for bash and zsh, the JSON Schema of the file.

make-docs.py [--check] [MPSUP]: with --check it writes nothing, and exits with 1 when a file is
not what the tables give. MPSUP is build/mpsup.
"""

import json
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
MAN = TOP / "docs/man"
WORDS = re.compile(r"[a-z-]+(, [a-z-]+)*( or [a-z-]+)?")


def run(mpsup, *args):
    return subprocess.run([mpsup, *args], check=True, capture_output=True, text=True).stdout


def choices(key):
    """The words that a value must be one of, from the sentence that says so; none: []."""
    form = key["form"] or ""
    return re.split(r", | or ", form) if WORDS.fullmatch(form) else []


class Verb:
    """A verb as its own --help shows it."""

    def __init__(self, mpsup, name, summary):
        self.name, self.summary = name, summary
        text = run(mpsup, name, "--help")
        self.usage = text.splitlines()[0].replace("usage: ", "")
        self.options, self.words = [], []
        for line in text.splitlines()[1:]:
            found = re.match(r"  (?:(-\w), |    )--([\w-]+)(?: (\S+))?\s{2,}(.*)", line)
            if found:
                self.options.append(found.groups())
            elif not line.startswith("TARGET is") and not line.startswith("shop:web/3"):
                self.words.append(line)
        self.text = "\n".join(self.words).strip()


# ---- man pages ----

def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in ".'" else line for line in text.splitlines())


def name_of(key):
    return key["folder"] + key["key"]


def change_words(key):
    return {"live": "Changes as it runs.", "reload": "A change needs new workers.",
            "restart": "A change needs a new start."}[key["change"]]


def key_text(key):
    text = key["help"][0].upper() + key["help"][1:] + "."
    if key["form"]:
        text += f" Right is: {key['form']}."
    text += f" Default: {key['default']}." if key["default"] else ""
    return text


GROUPS = (("", True, "What runs, where, as whom, in which cage"), ("limits.", True, "Limits of each worker"),
          ("total.", True, "Limits of all workers of a pool together"),
          ("restart.", True, "Life and restarts"), ("control.", True, "Who may look at one pool and change it"),
          ("log.", True, "Where a pool's output goes"),
          ("", False, "The instance"), ("log.", False, "mpsup's own log"),
          ("control.", False, "Who may look and change"))


def in_group(keys, folder, pool):
    return [k for k in keys if k["folder"] == folder and k["pool"] == pool]


def man8(version, keys, verbs):
    frame = (MAN / "mpsup.8.in").read_text(encoding="utf-8")
    out = []
    for verb in verbs:
        out.append(f".SS {roff(verb.usage)}")
        if verb.name == "run":
            out.append(roff(verb.summary[0].upper() + verb.summary[1:]) +
                       ". The options are below, under OPTIONS.")
            continue
        out.append(roff(verb.text))
        for letter, option, value, text in verb.options:
            if option == "help":
                continue
            shown = (f"{letter}, " if letter else "") + f"--{option}" + (f" {value}" if value else "")
            out.append(f".TP\n.B {roff(shown)}\n{roff(text)}")
    options = []
    for folder, pool, title in GROUPS:
        listed = [k for k in in_group(keys, folder, pool) if k["option"]]
        if listed:
            options.append(f".SS {title}")
        for k in listed:
            shown = (f"-{k['letter']}, " if k["letter"] else "") + f"--{k['option']}"
            shown += f" {k['value']}" if k["value"] else ""
            options.append(f".TP\n.B {roff(shown)}\n{roff(key_text(k))}")
    return frame.replace("@VERSION@", version).replace("@VERBS@", "\n".join(out)).replace(
        "@OPTIONS@", "\n".join(options))


def man5(version, keys):
    frame = (MAN / "mpsup.yaml.5.in").read_text(encoding="utf-8")
    out = []
    for folder, pool, title in GROUPS:
        listed = [k for k in in_group(keys, folder, pool) if k["key"] and k["shape"] != "argv"]
        if listed:
            out.append(f".SS {'Of a pool: ' if pool else 'Of the file: '}{title}")
        for k in listed:
            shape = {"each": "one or a list", "words": "one or a list", "pairs": "pairs", "command": "a list"}
            value = k["value"] or "true|false"
            if k["shape"] in shape:
                value += f" ({shape[k['shape']]})"
            out.append(f".TP\n.B {roff(name_of(k))}: {roff(value)}\n{roff(key_text(k))} {roff(change_words(k))}")
    return frame.replace("@VERSION@", version).replace("@KEYS@", "\n".join(out))


# ---- completion ----

BASH = r"""# bash completion for mpsup; made by scripts/make-docs.py.
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
        mapfile -t COMPREPLY < <(compgen -W "@VERBS@ help version" -- "$cur")
        return
    fi
    if [ "$verb" = run ]; then
        case $prev in
@VALUES@
        @FILES@) compopt -o default; return ;;
        @TAKING@) return ;;
        esac
    fi
    if [ "${cur:0:1}" = - ]; then
        case $verb in
@OPTIONS@
        esac
        return
    fi
    case $verb in
    help) mapfile -t COMPREPLY < <(compgen -W "@VERBS@" -- "$cur") ;;
    check) [ "$prev" = -c ] || [ "$prev" = --config ] && compopt -o default ;;
    import) compopt -o default; mapfile -t COMPREPLY < <(compgen -W pm2 -- "$cur") ;;
    wait) mapfile -t COMPREPLY < <(compgen -W "ready stopped $(_mpsup_targets)" -- "$cur") ;;
    run) compopt -o default ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$(_mpsup_targets)" -- "$cur") ;;
    esac
}
complete -F _mpsup mpsup
"""


def takes_path(key):
    return (key["value"] or "").split("|")[0] in ("FILE", "DIR", "PATH", "NAME=FILE")


def run_options(keys):
    return [k for k in keys if k["option"]]


def both(key):
    return ([f"-{key['letter']}"] if key["letter"] else []) + [f"--{key['option']}"]


def bash(keys, verbs):
    listed = run_options(keys)
    values = "\n".join(f"        {'|'.join(both(k))}) mapfile -t COMPREPLY < <(compgen -W \"{' '.join(choices(k))}\" "
                       f"-- \"$cur\"); return ;;" for k in listed if choices(k))
    files = "|".join(x for k in listed if takes_path(k) for x in both(k))
    taking = "|".join(x for k in listed if k["value"] and not choices(k) and not takes_path(k) for x in both(k))
    options = [f"        run) mapfile -t COMPREPLY < <(compgen -W \""
               f"{' '.join('--' + k['option'] for k in listed)}\" -- \"$cur\") ;;"]
    for verb in verbs:
        if verb.name != "run" and verb.options:
            words = " ".join("--" + o[1] for o in verb.options)
            options.append(f"        {verb.name}) mapfile -t COMPREPLY < <(compgen -W \"{words}\" -- \"$cur\") ;;")
    text = BASH.replace("@VERBS@", " ".join(v.name for v in verbs)).replace("@VALUES@", values)
    return text.replace("@FILES@", files).replace("@TAKING@", taking).replace("@OPTIONS@", "\n".join(options))


def zquote(text):
    return text.replace("'", "'\\''").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def zsh_action(key):
    if choices(key):
        return f":{key['value'].split('|')[0].lower()}:({' '.join(choices(key))})"
    if takes_path(key):
        return ":file:_files"
    return ":" + zquote((key["value"] or "").split(" ")[0].lower() or "value") + ":" if key["value"] else ""


def zsh(keys, verbs):
    out = ["#compdef mpsup", "# zsh completion for mpsup; made by scripts/make-docs.py.", "",
           "_mpsup_targets() {", "    local -a targets",
           "    targets=(${(f)\"$(mpsup list 2>/dev/null | awk 'NR > 1 { print $1 \":\" }')\"}",
           "        ${(f)\"$(mpsup status 2>/dev/null | awk '/^[a-z0-9][a-z0-9._-]*  [a-z]/ { print $1 }')\"})",
           "    compadd -S '' -a targets", "}", "", "_mpsup_run() {", "    _arguments -s \\"]
    for k in run_options(keys):
        for word in both(k):
            out.append(f"        '*{word}[{zquote(k['help'])}]{zsh_action(k)}' \\")
    out += ["        '*:: :_normal'", "}", "", "_mpsup() {", "    local -a verbs", "    verbs=("]
    out += [f"        '{v.name}:{zquote(v.summary)}'" for v in verbs]
    out += ["        'help:about a verb'", "        'version:this version'", "    )",
            "    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then",
            "        _describe verb verbs", "        return", "    fi", "    case $words[2] in"]
    for v in verbs:
        if v.name == "run":
            continue
        args = " ".join("'" + f"--{o[1]}[{zquote(o[3])}]" + (f":{o[2].lower()}:" if o[2] else "") + "'"
                        for o in v.options)
        out.append(f"    {v.name}) shift words; (( CURRENT-- )); _arguments -s {args} '*:target:_mpsup_targets' ;;")
    out += ["    help) _describe verb verbs ;;", "    *) _mpsup_run ;;", "    esac", "}", "", "_mpsup \"$@\"", ""]
    return "\n".join(out)


# ---- schema ----

def value_schema(key):
    scalar = {"type": ["string", "number", "integer"]}
    if not key["value"]:
        return {"enum": [True, False, "true", "false", "yes", "no", "on", "off"]}
    if choices(key):
        scalar = {"enum": choices(key)}
    if key["shape"] in ("each", "words"):
        item = {"anyOf": [scalar, {"type": "object"}]} if key["key"] == "listen" else scalar
        return {"anyOf": [item, {"type": "array", "items": item}]}
    if key["shape"] == "pairs":
        return {"anyOf": [{"type": "object",
                           "additionalProperties": {"type": ["string", "number", "integer", "boolean", "null"]}},
                          {"type": "array", "items": {"type": "string"}}]}
    if key["shape"] == "command":
        return {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1,
                                               "items": {"type": ["string", "number", "integer"]}}]}
    return scalar


def properties(keys, pool):
    out, folders = {}, {}
    for k in keys:
        if k["pool"] != pool or not k["key"] or k["shape"] == "argv":
            continue
        schema = {"description": k["help"], **value_schema(k)}
        if k["folder"]:
            folders.setdefault(k["folder"].rstrip("."), {})[k["key"]] = schema
        else:
            out[k["key"]] = schema
    for name, inner in folders.items():
        out[name] = {"type": "object", "additionalProperties": False, "properties": inner}
    return out


def schema(keys):
    pool = properties(keys, True)
    name = {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,31}$"}
    named = {"type": "object", "additionalProperties": False, "required": ["name"],
             "properties": {"name": {"description": "name of the pool", **name}, **pool, "<<": {}}}
    top = {"version": {"enum": [1, "1"]}, **properties(keys, False),
           "defaults": {"type": "object", "additionalProperties": False, "properties": {**pool, "<<": {}}},
           "include": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
           "pools": {"type": "array", "items": named}}
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema",
                       "title": "A file of pools for mpsup", "type": "object", "additionalProperties": False,
                       "properties": top}, indent=1) + "\n"


def main():
    args = [a for a in sys.argv[1:] if a != "--check"]
    mpsup = args[0] if args else str(TOP / "build/mpsup")
    tables = json.loads(run(mpsup, "help", "--json"))
    keys = tables["keys"]
    verbs = [Verb(mpsup, v["name"], v["help"]) for v in tables["verbs"]]
    made = {MAN / "mpsup.8": man8(tables["version"], keys, verbs),
            MAN / "mpsup.yaml.5": man5(tables["version"], keys),
            TOP / "deploy/completion/mpsup.bash": bash(keys, verbs),
            TOP / "deploy/completion/_mpsup": zsh(keys, verbs),
            TOP / "docs/mpsup.schema.json": schema(keys)}
    bad = 0
    for path, text in made.items():
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"{path.relative_to(TOP)} is not what the tables give: scripts/make-docs.py writes it anew",
                  file=sys.stderr)
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
