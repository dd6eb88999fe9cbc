#!/usr/bin/env python3
"""Writes docs/reference.md: all fields, values, conditions, Events, metrics, annotations, labels, flags and environment variables, taken
from the CRDs, the charts and the code. What a name means is said here; a name in the code that is not explained here, or the other way
round, is an error. --check says whether the page is up to date."""
import json
import pathlib
import re
import sys

import generated

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reference.md"
KINDS = ("istiocnis", "istios", "istiorevisions", "istiorevisiontags", "ztunnels")
CHARTS = ("istio-cni", "ztunnel", "istiod")

CONDITIONS = {
    "Reconciled": "what the resource asks for has been applied",
    "Ready": "it runs everywhere as it was applied; the meaning is in [update.md](update.md)",
    "Progressing": "of IstioCNI: an update goes on (`Updating`), is done (`Complete`), or stands still",
    "SkewOK": "the CNI's version serves every control plane",
    "ValuesKnown": "every field of spec.values is read by a chart",
    "DependenciesHealthy": "of an IstioRevision: the IstioCNI that it needs is there and ready",
    "InUse": "of an IstioRevision or IstioRevisionTag: a namespace or pod refers to it",
}
REASONS = {
    "ActiveRevisionNotFound": "the Istio's active IstioRevision does not exist (yet)",
    "AllKnown": "ValuesKnown is True",
    "Complete": "Progressing: every node runs what was applied",
    "DaemonSetNotReady": "the DaemonSet is missing, or not all its pods are ready",
    "Healthy": "status.state: all conditions are as they should be",
    "IstioCNINotFound": "the revision needs a CNI, and there is no IstioCNI",
    "IstioCNINotHealthy": "there is one, and it is not healthy",
    "IstiodNotReady": "the istiod Deployment is missing, scaled to zero, or not all its pods are ready",
    "NameAlreadyExists": "a tag has the name of a revision",
    "NoCNI": "SkewOK: there is no IstioCNI to compare with",
    "NotReferencedByAnything": "InUse is False",
    "ProgressDeadlineExceeded": "no further node was updated within spec.rollout.progressDeadlineSeconds",
    "ReadinessCheckFailed": "whether it is ready could not be found out",
    "ReconcileError": "it could not be applied; the message names the field and the value, and what runs keeps running",
    "Reconciled": "Reconciled is True",
    "RefNotFound": "what a tag points to does not exist",
    "ReferencedByWorkloads": "InUse is True",
    "RemoteIstiodNotReady": "the control plane of another cluster does not answer at its webhook's address",
    "RolledBack": "a failed update was undone; the last good version runs again, or is being put back",
    "UnknownValues": "ValuesKnown: some fields of spec.values are read by no chart; the message has the nearest names",
    "Updating": "it has been applied, and not every node or replica runs it yet",
    "VersionSkew": "the CNI's version would not serve a control plane; the message names both and the way out",
    "VersionsFit": "SkewOK is True",
}
EVENTS = {
    "PodsNotRedirected": ("agent", "Warning", "on the agent's pod: pods that it took over have no rules; it does not become ready until they have"),
    "NodeNotUpdated": ("operator", "Warning", "on the IstioCNI: the new agent on a node does not start, and why"),
    "RevisionPruned": ("operator", "Normal", "on the Istio: an old revision was unused for its grace period and was deleted"),
}
NAMES = {
    "ambient.istio.io/bypass-inbound-capture": "annotation of a pod: `true` leaves inbound traffic alone in ambient mode",
    "ambient.istio.io/dns-capture": "annotation of a pod: `true` or `false`, DNS capture of this pod in ambient mode",
    "ambient.istio.io/redirection": "annotation that the agent writes on a pod: `enabled` once it is in the ambient mesh",
    "app.kubernetes.io/managed-by": "label of what the charts make",
    "app.kubernetes.io/version": "label of the agents' pods: the version that a node runs",
    "cni.istio.io/uninitialized": "label that the agent writes on a pod without rules, with `repair.labelPods`",
    "fairlead.io/applied-hash": "annotation that the operator writes: what it applied, to see whether something else changed the object",
    "fairlead.io/config-checksum": "annotation of the agents' pods: what the agent reads; a change rolls the pods",
    "fairlead.io/version-skew-policy": "annotation of the IstioCNI: Enforce (default), Warn or Ignore",
    "istio.io/dataplane-mode": "label of a pod or namespace: `ambient` brings it into the ambient mesh, `none` keeps it out",
    "istio.io/reroute-virtual-interfaces": "annotation of a pod: interfaces whose inbound traffic is treated as outbound",
    "istio.io/rev": "label of a pod or namespace: the revision or tag that injects its sidecars",
    "kubernetes.io/config.hash": "annotation of static pods, which the agent does not delete",
    "sidecar.istio.io/inject": "label or annotation of a pod: `false` keeps it out of the sidecar mesh",
    "sidecar.istio.io/interceptionMode": "annotation of a pod: REDIRECT (default), TPROXY or NONE",
    "sidecar.istio.io/status": "annotation of a pod that has a sidecar; it is what makes the agent write rules",
    "traffic.sidecar.istio.io/excludeInboundPorts": "annotation of a pod: inbound ports that are left alone",
    "traffic.sidecar.istio.io/excludeInterfaces": "annotation of a pod: interfaces that are left alone",
    "traffic.sidecar.istio.io/excludeOutboundIPRanges": "annotation of a pod: destinations that are left alone",
    "traffic.sidecar.istio.io/excludeOutboundPorts": "annotation of a pod: outbound ports that are left alone",
    "traffic.sidecar.istio.io/includeInboundPorts": "annotation of a pod: inbound ports that are redirected, `*` for all",
    "traffic.sidecar.istio.io/includeOutboundIPRanges": "annotation of a pod: destinations that are redirected, `*` for all",
    "traffic.sidecar.istio.io/includeOutboundPorts": "annotation of a pod: outbound ports that are redirected whatever the destination",
    "traffic.sidecar.istio.io/kubevirtInterfaces": "the older name of istio.io/reroute-virtual-interfaces",
}
OTHERS = {"kubectl.kubernetes.io/last-applied-configuration"}  # of kubectl, left out of diffs
COMMON_ENV = (("KUBECONFIG", "fairlead, fairlead-operator", "the kubeconfig file, as kubectl reads it"), ("NO_COLOR", "fairlead", "anything: no colours"), ("POD_NAME", "fairlead-operator", "part of its identity in the leader election"))
ENV = {
    "ALLOW_SWITCH_TO_HOST_NS": "enters the node's network namespace, for probes in ambient mode and to see the node's iptables",
    "AMBIENT_DNS_CAPTURE": "DNS of ambient pods goes through ztunnel, unless a pod's annotation says otherwise",
    "AMBIENT_ENABLED": "brings pods into the ambient mesh, and serves ztunnel",
    "AMBIENT_ENABLEMENT_SELECTOR": "a JSON list of {podSelector, namespaceSelector}: the ambient mesh's pods; empty: the label istio.io/dataplane-mode=ambient",
    "AMBIENT_IPV6": "rules of ambient pods for IPv6 as well",
    "CHAINED_CNI_PLUGIN": "adds the plugin to the primary CNI's configuration; false: writes one of its own",
    "CNI_AGENT_RUN_DIR": "of its sockets and its journal, a directory of the node",
    "CNI_CONF_NAME": "the primary CNI's file; empty: the first one in the directory",
    "EXCLUDE_NAMESPACES": "whose pods are left alone",
    "FORCE_IPTABLES_BINARY": "legacy or nft; empty: what the node uses",
    "HEALTH_PORT": "of /healthz and /readyz",
    "HOST_PROBE_SNAT_IP": "from which the kubelet's probes reach ambient pods",
    "HOST_PROBE_SNAT_IPV6": "the same for IPv6",
    "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR": "destinations on the loopback interface that sidecars take for the pod itself",
    "ISTIO_OUTBOUND_OWNER_GROUPS": "groups whose outbound traffic is redirected; empty or *: all",
    "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE": "groups whose outbound traffic is left alone",
    "ISTIO_OWNED_CNI_CONFIG": "writes the plugin into a configuration of its own beside the primary CNI's",
    "ISTIO_OWNED_CNI_CONFIG_FILENAME": "its name",
    "ISTIO_OWNED_CNI_CONF_FILENAME": "the same, as istio's chart spells it",
    "KUBECONFIG": "a kubeconfig file; empty: the pod's service account",
    "KUBERNETES_NODE_NAME": "the older name of NODE_NAME",
    "LOG_AS_JSON": "log lines as JSON",
    "LOG_OUTPUT_LEVEL": "what is logged",
    "MONITORING_PORT": "of /metrics",
    "MOUNTED_CNI_BIN_DIR": "where the node's directory of CNI plugins is mounted",
    "MOUNTED_CNI_NET_DIR": "where the node's directory of CNI configurations is mounted",
    "MOUNTED_NETNS_DIR": "where the node's directory of network namespaces is mounted",
    "NATIVE_NFTABLES": "new rules with nftables; false: with iptables",
    "NODE_NAME": "the node that it serves; it must be set",
    "PLUGIN_SOURCE": "the plugin that it installs",
    "POD_NAME": "its own pod, for Events",
    "POD_NAMESPACE": "its own namespace, for Events",
    "REPAIR_BROKEN_POD_LABEL_KEY": "the label of REPAIR_LABEL_PODS",
    "REPAIR_BROKEN_POD_LABEL_VALUE": "and its value",
    "REPAIR_DELETE_PODS": "deletes pods that run without their rules",
    "REPAIR_ENABLED": "looks for pods that run without their rules",
    "REPAIR_FIELD_SELECTORS": "which pods are looked at, as kubectl's --field-selector",
    "REPAIR_INIT_CONTAINER_EXIT_CODE": "with which the init container shows that the rules are missing",
    "REPAIR_INIT_CONTAINER_NAME": "the init container that shows it",
    "REPAIR_INIT_CONTAINER_TERMINATION_MESSAGE": "and its termination message; empty: any",
    "REPAIR_LABEL_PODS": "labels pods that run without their rules",
    "REPAIR_LABEL_SELECTORS": "which pods are looked at, as kubectl's --selector",
    "REPAIR_REPAIR_PODS": "writes the rules of pods that run without them",
    "REPAIR_SIDECAR_ANNOTATION": "of pods that have a sidecar",
    "ZTUNNEL_UDS_ADDRESS": "the socket that ztunnels connect to",
}
STRUCTS = {"c": "Config", "ambient": "AmbientConfig", "settings": "AmbientSettings", "sidecar": "SidecarConfig", "repair": "RepairConfig"}  # by the name that config.cc gives them
CONSTANTS = {"MOUNTED_NETNS_DIR": "string", "EXCLUDE_NAMESPACES": "comma-separated", "LOG_OUTPUT_LEVEL": "debug, info, warn or error, or istio's scope:level list"}


def sources(*modules):
    for module in modules:
        for path in sorted((ROOT / "src" / module).rglob("*.*")):
            if path.suffix in (".cc", ".h") and not re.search(r"_test\.|_fuzz\.", path.name):
                yield path.read_text()


def explained(found, meanings, what):
    if missing := sorted(set(found) - set(meanings)):
        sys.exit(f"tools/list_reference.py does not say what {what} {', '.join(missing)} means")
    if gone := sorted(set(meanings) - set(found)):
        sys.exit(f"tools/list_reference.py explains {what} {', '.join(gone)}, which the code does not have")


def table(head, rows):
    cell = lambda v: str(v).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(map(cell, row)) + " |" for row in rows] + [""]


# --- resources

def kind_of(schema):
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or percentage"
    if "enum" in schema:
        values = schema["enum"]
        return ", ".join(map(str, values)) if len(values) <= 12 else f"{schema['type']}, one of {len(values)}"
    if schema.get("type") == "array":
        return "list of " + (kind_of(schema["items"]) if schema["items"].get("type") != "object" else "objects")
    if "additionalProperties" in schema:
        return "map"
    return schema.get("type", "any")


def fields(schema, path):
    for name, below in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        if here == "spec.values":
            yield here, "object", "", "Helm values; see below"
            continue
        if "description" not in below:
            sys.exit(f"tools/generate_crds.py does not say what {here} means")
        yield here, kind_of(below), below.get("default", ""), below["description"]
        inner = below.get("items", below) if below.get("type") == "array" else below
        if inner.get("properties"):
            yield from fields(inner, here + ("[]" if below.get("type") == "array" else ""))


def resources():
    out = []
    for plural in KINDS:
        text = (ROOT / f"charts/fairlead-operator/crds/sailoperator.io_{plural}.yaml").read_text()
        crd = json.loads("".join(line for line in text.splitlines(True) if not line.startswith("#")))["spec"]
        schema = crd["versions"][0]["schema"]["openAPIV3Schema"]
        rows = [(f"`{p}`", k, f"`{json.dumps(d)}`" if d != "" else "", why) for part in ("spec", "status") for p, k, d, why in fields(schema["properties"][part], part)]
        rules = [r for part in (schema, schema["properties"]["spec"]) for r in part.get("x-kubernetes-validations", [])]
        out += [f"### {crd['names']['kind']}", ""] + table(("field", "type", "default", "what"), rows)
        if rules:
            out += ["Rules:", ""] + [f"- {r.get('message', r['rule'])}" for r in rules] + [""]
    return out


# --- values

def values(chart):
    """Path, default and comment of each value of a chart, as values.yaml has them below `defaults:`."""
    rows, stack, comment = [], [], []
    for line in (ROOT / f"charts/{chart}/values.yaml").read_text().splitlines():
        bare = line.strip()
        depth = len(line) - len(line.lstrip())
        stack = [(d, n) for d, n in stack if d < depth]
        if not bare or bare.startswith("- ") or stack and stack[-1][1] is None:  # what is in a list is no value of its own
            if bare.startswith("- "):
                stack.append((depth, None))
            comment = []
            continue
        if bare.startswith("#"):
            comment.append(bare.lstrip("# "))
            continue
        m = re.match(r"( *)([\w.-]+):(?: +(.*?))?(?:\s+# (.*))?$", line)
        if not m:
            comment = []
            continue
        name, default, own = m[2], m[3] or "", m[4]
        stack.append((depth, name))
        path = ".".join(n for _, n in stack if n != "defaults")
        why = " ".join(comment + ([own] if own else []))
        comment = []
        if default and not why:
            sys.exit(f"charts/{chart}/values.yaml does not say what {path} means")
        if path and why:
            rows.append((f"`{path}`", f"`{default}`" if default else "", why))
    return rows


# --- the code

def conditions():
    text = "\n".join(sources("mesh"))
    types = set(re.findall(r'SetCondition\(\w+, "(\w+)"', text)) | set(re.findall(r'\bset\("([A-Z]\w+)", ', text))
    explained(types, CONDITIONS, "the condition")
    literals = set(re.findall(r'"([A-Z][a-z]+(?:[A-Z][A-Za-z]*)*)"', text))
    known = {r for r in REASONS if r in literals}
    reasons = set(re.findall(r'Problem\{"(\w+)"', text)) | set(re.findall(r'unready\("(\w+)"', text)) | set(re.findall(r'\bset\("\w+", [^,]+, "(\w+)"', text)) | set(re.findall(r'\? "(\w+)" : "\w+NotReady"', text))
    explained({r for r in reasons if r[0].isupper()} | known, REASONS, "the reason")
    out = table(("condition", "says"), [(f"`{c}`", why) for c, why in CONDITIONS.items()])
    return out + ["Reasons:", ""] + table(("reason", "means"), [(f"`{r}`", why) for r, why in sorted(REASONS.items())])


def events():
    text = "\n".join(sources("mesh", "agent"))
    found = set(re.findall(r'"(?:Normal|Warning)",\s*"(\w+)"', text))
    explained(found, EVENTS, "the Event")
    return ["The operator writes an Event for each step of a condition, with the condition's reason, and these:", ""] + table(("reason", "from", "type", "tells"), [(f"`{r}`", *rest) for r, rest in EVENTS.items()])


def metrics():
    rows = {}
    for module, program in (("mesh", "operator"), ("controller", "operator"), ("agent", "agent")):
        for text in sources(module):
            for m in re.finditer(r'(?:metrics\w*\.|metrics\w*->|\b)(Count|Set|Observe)\(\s*"([a-z_]+)",((?:[^;"]|"(?:[^"\\]|\\.)*")*);', text):
                literals = re.findall(r'"((?:[^"\\]|\\.)*)"', m[3])
                labels = re.findall(r'\{"(\w+)",', m[3])
                help_text = next((t for t in reversed(literals) if " " in t), "")
                name = m[2]
                if "_" not in name:
                    continue
                old = rows.get((program, name), (set(), ""))
                rows[program, name] = (old[0] | set(labels), old[1] or help_text)
    return table(("metric", "of", "labels", "what"), [(f"`{name}`", program, ", ".join(sorted(labels)), why) for (program, name), (labels, why) in sorted(rows.items(), key=lambda r: (r[0][1], r[0][0]))])


def names():
    text = "\n".join(sources("agent", "mesh", "redirect", "cmd", "cni", "view"))
    found = set(re.findall(r'"((?:[a-z0-9-]+\.)*(?:istio|fairlead|kubernetes)\.io/[A-Za-z0-9._/-]+)"', text)) - OTHERS
    found |= {n for n in NAMES if n in (ROOT / "charts/istio-cni/templates/daemonset.yaml").read_text()}
    explained(found, NAMES, "the name")
    return table(("name", "what"), [(f"`{n}`", why) for n, why in sorted(NAMES.items())])


def environment():
    config, header = (ROOT / "src/agent/config.cc").read_text(), "".join((ROOT / f).read_text() for f in ("src/agent/config.h", "src/redirect/sidecar.h", "src/redirect/ambient.h"))
    rows = []
    for kind, name, into in re.findall(r'\b(text|flag|number)\("([A-Z0-9_]+)", ([\w.]+)\)', config):
        of, field = (into.split(".")[:-1] or ["c"]), into.split(".")[-1]
        within = header.split(f"struct {STRUCTS[of[-1]]} {{")[1].split("\n};")[0]
        default = re.search(rf'\b{field}(?: = ("[^"]*"|[\w.:-]+))?[;,]', within)
        shown = default[1] if default and default[1] else ""
        rows.append((f"`{name}`", CONSTANTS.get(name, {"text": "string", "flag": "true or false", "number": "number"}[kind]), f"`{shown}`" if shown else "", ENV.get(name, "")))
    rows += [(f"`{name}`", "numbers, with commas", "", ENV.get(name, "")) for name in re.findall(r'\{"(ISTIO_OUTBOUND_OWNER_GROUPS\w*)", &', config)]
    explained({row[0].strip("`") for row in rows}, ENV, "the environment variable")
    accepted = re.findall(r'"(\w+)"', re.search(r"kAccepted\[\] = \{(.*?)\};", config, re.S)[1])
    read = {row[0] for row in rows}
    ignored = sorted(f"`{a}`" for a in accepted if f"`{a}`" not in read)
    out = ["Of `install-cni`, the agent. Each is also a flag: `MONITORING_PORT` is `--monitoring-port`, and a flag wins.", ""] + table(("variable", "value", "default", "what"), rows)
    return out + ["Accepted and without effect, since istio-cni has them: " + ", ".join(ignored) + ".", "", "Of the other programs:", ""] + table(("variable", "of", "what"), [(f"`{n}`", p, why) for n, p, why in COMMON_ENV])


def flags():
    text = (ROOT / "src/cmd/fairlead_operator.cc").read_text()
    rows = []
    defaults = dict(re.findall(r'(\w+) =\s+"([^"]*)"', text))
    for name, field, literals in re.findall(r'add_(?:option|flag)\(\s*"(--[\w-]+)", flags\.(\w+),((?:\s*"(?:[^"\\]|\\.)*")+)', text):
        said = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)).replace('\\"', '"')
        rows.append((f"`{name}`", f"`{defaults[field]}`" if defaults.get(field) else "", said))
    return table(("flag", "default", "what"), rows) + ["Those of `fairlead` are in its manual page, `fairlead man | man -l -`.", ""]


def page():
    out = ["# Reference", "", "Made from the CRDs, the charts and the code by `tools/list_reference.py`; `make generate` writes it again. Messages have [a page of their own](messages.md).", ""]
    for title, part in (("Resources", resources()), ("Conditions", conditions()), ("Events", events()), ("Metrics", metrics()), ("Annotations and labels", names()), ("Environment variables", environment()), ("Flags of the operator", flags())):
        out += [f"## {title}", ""] + part
    out += ["## Values", "", "What `spec.values` takes: for an IstioCNI those of `istio-cni`, for a ZTunnel those of `ztunnel`, for an Istio or IstioRevision those of `istiod`, each also at `global`. [charts.md](charts.md) says how profiles and platforms come in.", ""]
    for chart in CHARTS:
        out += [f"### {chart}", ""] + table(("value", "default", "what"), values(chart))
    return "\n".join(out)


if __name__ == "__main__":
    generated.write(PAGE, page())
