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
DATADIR = "/usr/local/share/mpsup" # the Makefile's; `make install` puts its own there
COMPLETION = TOP / "deploy/completion"


def run(mpsup, *args):
    return subprocess.run([mpsup, *args], check=True, capture_output=True, text=True).stdout


def frame(path, **parts):
    """A hand-written frame with its @PARTS@ filled in: text, or lines."""
    text = path.read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part if isinstance(part, str) else "\n".join(part))
    return text


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


def tagged(tag, text):
    return f".TP\n.B {roff(tag)}\n{roff(text)}"


def name_of(key):
    return key["folder"] + key["key"]


CHANGES = {"live": "Changes as it runs.", "reload": "A change needs new workers.",
           "restart": "A change needs a new start."}


def sentence(text):
    """With a capital, unless the first word is one to be typed."""
    return (text if re.match(r"mpsup\b|\w+:", text) else text[0].upper() + text[1:]) + "."


def key_text(key):
    """Help, what is right where that was not said, default."""
    text = sentence(key["help"])
    said = {w for w in re.split(r"\W+", f"{key['help']} {key['value']}") if w}
    if key["form"] and not set(re.split(r"\W+", key["form"])) - {"", "or", "and", "a", "an"} <= said:
        text += f" Right is: {key['form']}."
        if key["words"] and not set(key["words"]) & set(re.split(r"[ ,]+", key["form"])):
            text += f" The words: {' '.join(key['words'])}."
    if key["default"]:
        text += f" Default: {key['default']}."
    return text


GROUPS = (("", True, "What runs, where, as whom, in which cage"), ("limits.", True, "Limits of each worker"),
          ("total.", True, "Limits of all workers of a pool together"),
          ("restart.", True, "Life and restarts"), ("control.", True, "Who may look at one pool and change it"),
          ("log.", True, "Where a pool's output goes"),
          ("", False, "The instance"), ("log.", False, "mpsup's own log"),
          ("control.", False, "Who may look and change"))


def in_groups(keys):
    """(title, of a pool?, its keys) for each group; a key that is in none would be lost."""
    out = [(title, pool, [k for k in keys if k["folder"] == folder and k["pool"] == pool])
           for folder, pool, title in GROUPS]
    assert sum(len(listed) for _, _, listed in out) == len(keys), "a level has no title"
    return [group for group in out if group[2]]


def option_tag(letter, name, value):
    return (f"-{letter}, " if letter else "") + f"--{name}" + (f" {value}" if value else "")


def verb_part(verb):
    out = [f".SS {roff(verb.usage)}"]
    if verb.name == "run":
        return out + [roff(sentence(verb.summary)) + " Its options are below, under OPTIONS."]
    out.append(roff(verb.text))
    return out + [tagged(option_tag((letter or "").lstrip("-"), name, value), sentence(text))
                  for letter, name, value, text in verb.options if name != "help"]


def man8(version, keys, verbs):
    options = []
    for title, _, listed in in_groups([k for k in keys if k["option"]]):
        options.append(f".SS {roff(title)}")
        for k in listed:
            text = key_text(k)
            if k["key"] and name_of(k) != k["option"].replace("-", "_") and k["shape"] != "argv":
                text += f" In a file: {name_of(k)}."
            options.append(tagged(option_tag(k["letter"], k["option"], k["value"]), text))
    return frame(MAN / "mpsup.8.in", VERSION=version, VERBS=[line for v in verbs for line in verb_part(v)],
                 OPTIONS=options, DATADIR=DATADIR)


def man5(version, keys):
    shapes = {"each": " (or a list)", "words": " (or a list)", "pairs": " (pairs)", "command": ""}
    out = []
    for title, pool, listed in in_groups([k for k in keys if k["key"] and k["shape"] != "argv"]):
        out.append(f".SS Of {'a pool' if pool else 'the instance'}: {roff(title)}")
        for k in listed:
            value = (k["value"] or "true|false") + shapes.get(k["shape"], "")
            out.append(tagged(f"{name_of(k)}: {value}", f"{key_text(k)} {CHANGES[k['change']]}"))
    return frame(MAN / "mpsup.yaml.5.in", VERSION=version, KEYS=out, DATADIR=DATADIR)


# ---- completion ----

PLACES = {"FILE": "file", "DIR": "file", "PATH": "file", "NAME=FILE": "file", "NAME|FILE": "file",
          "USER": "user", "GROUP": "group", "SIGNAL": "signal", "TARGET": "target", "POOL": "pool",
          "INSTANCE:": "instance"}


def literals(value):
    """What a placeholder says literally: all, physical and numa: of all|physical|numa:N."""
    found = (re.fullmatch(r"([a-z][a-z0-9-]*:?)([A-Z].*)?", word) for word in (value or "").split("|"))
    return [m[1] for m in found if m and (not m[2] or m[1].endswith(":"))]


def kind_of(value, words=(), several=False):
    """How a value is completed: a kind of the completions, and its words; None: in no way."""
    words = list(words) + [w for w in literals(value) if w not in words]
    if value in PLACES:
        return [PLACES[value]]
    return (["list" if several else "words"] + words) if words else None


class Completion:
    """What both shells offer: for each verb its options (name, letter, help, value, kind) and the kinds of
    its arguments, by number; "*" is every further one."""

    def __init__(self, keys, verbs):
        self.summaries = {v.name: v.summary for v in verbs}
        pool_keys = [k for k in keys if k["pool"] and k["key"]]
        self.options = {"run": [
            (k["option"], k["letter"], k["help"], k["value"],
             ["keys"] + [name_of(p) + "=" for p in pool_keys] if k["option"] == "set" else
             ["group"] if k["option"] == "groups" else
             kind_of(k["value"], k["words"], k["shape"] == "words"))
            for k in keys if k["option"]]}
        self.arguments = {}
        live = ["keys"] + [name_of(p) + "=" for p in pool_keys if p["change"] == "live"]
        for verb in verbs:
            if verb.name == "run":
                continue
            self.options[verb.name] = [(name, (letter or "").lstrip("-"), text, value, kind_of(value))
                                       for letter, name, value, text in verb.options]
            number = 0
            for word in verb.usage.split()[3:]:
                number += 1
                if word == "...":
                    continue
                kind = live if word == "KEY=VALUE" else kind_of(word.strip("[]"))
                if kind:
                    self.arguments[verb.name, "*" if word == "KEY=VALUE" else number] = kind

    def of(self, verb):
        return {n: kind for (name, n), kind in self.arguments.items() if name == verb}


def forms(name, letter):
    return ([f"-{letter}"] if letter else []) + [f"--{name}"]


def bash(shown):
    verbs = " ".join(shown.summaries)
    values, taking, options = [], [], []
    for verb, listed in shown.options.items():
        takes = [f"{verb}:{form}" for name, letter, _, value, _ in listed if value for form in forms(name, letter)]
        taking += [f"    {'|'.join(takes)}) ;;"] if takes else []
        options.append(f"    {verb}) _mpsup_offer {' '.join('--' + o[0] for o in listed)} ;;")
        for name, letter, _, _, kind in listed:
            if kind:
                where = "|".join(f"{verb}:{form}" for form in forms(name, letter))
                values.append(f"    {where}) _mpsup_kind {' '.join(kind)} ;;")
    arguments = [f"    {verb}:{n}) _mpsup_kind {' '.join(kind)} ;;" for (verb, n), kind in shown.arguments.items()]
    return frame(COMPLETION / "mpsup.bash.in", VERBS=verbs, VALUES=values, TAKING=taking, OPTIONS=options,
                 ARGUMENTS=arguments)


def zquote(text):
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")


def zsh_kind(kind):
    if not kind:
        return " "
    name, *words = kind
    named = {"file": "_files", "user": "_users", "group": "_groups", "signal": "_signals"}
    if name == "words":
        return "(" + " ".join(zquote(w) for w in words) + ")"
    if name == "list":
        return "_values -s , word " + " ".join(zquote(w) for w in words)
    if name == "keys":
        return "_mpsup_keys " + " ".join(words)
    return named.get(name, f"_mpsup_live {name}")


def zsh_option(name, letter, text, value, kind):
    what = f"[{zquote(text)}]"
    if value:
        what += f":{zquote(value.split('|')[0].split()[0].lower())}:{zsh_kind(kind)}"
    long = f"--{name}=" if value else f"--{name}"
    if not letter:
        return f"'*{long}{what}'"
    return f"'*'{{-{letter}{'+' if value else ''},{long}}}'{what}'"


def zsh(shown):
    run = [f"        {zsh_option(*o)} \\" for o in shown.options["run"]]
    verbs = [f"        '{name}:{zquote(text)}'" for name, text in shown.summaries.items()]
    verbs += ["        'help:one verb, or all'", "        'version:this version'"]
    arguments = []
    for verb, listed in shown.options.items():
        if verb == "run":
            continue
        specs = [zsh_option(*o) for o in listed]
        specs += [f"'{n}:{kind[0]}:{zsh_kind(kind)}'" for n, kind in shown.of(verb).items()]
        arguments.append(f"    {verb}) _arguments -s -S \\\n            " + " \\\n            ".join(specs) + " ;;")
    return frame(COMPLETION / "_mpsup.in", RUN=run, VERBS=verbs, ARGUMENTS=arguments)


# ---- schema ----

VARIABLE = {"$ref": "#/$defs/variable"}


def scalar_schema(key):
    if not key["open"]:
        if key["shape"] != "words":
            return {"anyOf": [{"enum": key["words"]}, VARIABLE]}
        word = "(" + "|".join(key["words"]) + ")"
        return {"anyOf": [{"type": "string", "pattern": f"^{word}(,{word})*$"}, VARIABLE]}
    bounds = re.fullmatch(r"(-?\d+) to (\d+)(, or max)?", key["form"] or "")
    more = {"minimum": int(bounds[1]), "maximum": int(bounds[2])} if bounds else {}
    return {"type": ["string", "number"], **more}


def value_schema(key):
    if not key["value"]:
        return {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false", "yes", "no", "on", "off"]}, VARIABLE]}
    one = scalar_schema(key)
    if key["shape"] in ("each", "words"):
        item = {"anyOf": [one, {"$ref": "#/$defs/address"}]} if key["key"] == "listen" else one
        return {"anyOf": [item, {"type": "array", "items": item}]}
    if key["shape"] == "pairs":
        values = ["string", "number", "boolean"] + (["null"] if key["key"] == "env" else [])
        return {"anyOf": [{"type": "object", "additionalProperties": {"type": values}},
                          {"type": "string", "pattern": "="},
                          {"type": "array", "items": {"type": "string", "pattern": "="}}]}
    if key["shape"] == "command":
        return {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1,
                                               "items": {"type": ["string", "number", "boolean"]}}]}
    return one


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
    text = {"type": ["string", "number"]}
    name = {"anyOf": [{"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,31}$"}, VARIABLE,
                      {"type": "integer", "minimum": 0}]}
    defs = {
        "variable": {"description": "${NAME} or ${NAME:-default}, from mpsup's own environment",
                     "type": "string", "pattern": "\\$\\{"},
        "address": {"type": "object", "additionalProperties": False, "required": ["address"],
                    "properties": {"address": text, "name": text, "mode": text, "user": text, "group": text}},
        "defaults": {"type": "object", "additionalProperties": False, "properties": pool},
        "pool": {"type": "object", "additionalProperties": False, "required": ["name"],
                 "properties": {"name": {"description": "name of the pool", **name}, **pool}}}
    top = {"version": {"description": "of the format", "enum": [1, "1"]},
           **properties(keys, False),
           "defaults": {"description": "keys of a pool, for all pools; a pool's own win", "$ref": "#/$defs/defaults"},
           "include": {"description": "files, folders or patterns of further pools",
                       "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
           "pools": {"type": "array", "items": {"$ref": "#/$defs/pool"}}}
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema",
                       "title": "A file of pools for mpsup", "type": "object", "additionalProperties": False,
                       "properties": top, "$defs": defs}, indent=1) + "\n"


def main():
    args = [a for a in sys.argv[1:] if a != "--check"]
    mpsup = args[0] if args else str(TOP / "build/mpsup")
    tables = json.loads(run(mpsup, "help", "--json"))
    keys = tables["keys"]
    verbs = [Verb(mpsup, v["name"], v["help"]) for v in tables["verbs"]]
    shown = Completion(keys, verbs)
    made = {MAN / "mpsup.8": man8(tables["version"], keys, verbs),
            MAN / "mpsup.yaml.5": man5(tables["version"], keys),
            COMPLETION / "mpsup.bash": bash(shown),
            COMPLETION / "_mpsup": zsh(shown),
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
