#!/usr/bin/env python3
"""Writes charts/fairlead-operator/crds/*.yaml from the version catalogue and the field lists below. Run it after a change of either."""
import json, pathlib, re, sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROFILES = ["ambient", "default", "demo", "empty", "external", "openshift", "openshift-ambient", "preview", "remote", "stable"]


def catalogue():
    text = (ROOT / "config/catalog/versions.yaml").read_text()
    default = re.search(r"^default: (\S+)", text, re.M).group(1)
    names, aliases = [], []
    for minor, versions in re.findall(r'minor: "([\d.]+)".*?versions: \[(.*?)\]', text):
        known = [v.strip() for v in versions.split(",")]
        aliases.append(f"v{minor}-latest")
        names += [aliases[-1]] + ["v" + v for v in reversed(known)]
    return default, names, aliases


S = {"type": "string"}
B = {"type": "boolean"}
I = {"type": "integer", "format": "int64"}
IOS = {"x-kubernetes-int-or-string": True}
ANY = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
MAP = {"type": "object", "additionalProperties": S}
STRINGS = {"type": "array", "items": S}


def obj(**properties):
    return {"type": "object", "properties": properties}


def enum(*values):
    return {"type": "string", "enum": list(values)}


PULL = enum("Always", "Never", "IfNotPresent")
RESOURCES = obj(limits={"type": "object", "additionalProperties": IOS}, requests={"type": "object", "additionalProperties": IOS})
LABEL_SELECTOR = obj(matchLabels=MAP, matchExpressions={"type": "array", "items": dict(obj(key=S, operator=S, values=STRINGS), required=["key", "operator"])})

CNI = obj(
    affinity=ANY,
    ambient=obj(configDir=S, dnsCapture=B, enableAmbientDetectionRetry=B, enabled=B, ipv6=B, reconcileIptablesOnStartup=B, shareHostNetworkNamespace=B,
                enablementSelectors={"type": "array", "items": obj(podSelector=LABEL_SELECTOR, namespaceSelector=LABEL_SELECTOR)}),
    chained=B, cniBinDir=S, cniConfDir=S, cniConfFileName=S, cniNetnsDir=S, daemonSetLabels=MAP, env=MAP, excludeNamespaces=STRINGS, hub=S, image=S,
    istioOwnedCNIConfig=B, istioOwnedCNIConfigFileName=S, logging=obj(level=S), podAnnotations=MAP, podLabels=MAP, privileged=B, provider=S,
    psp_cluster_role=S, pullPolicy=PULL,
    repair=obj(brokenPodLabelKey=S, brokenPodLabelValue=S, createEvents=S, deletePods=B, enabled=B, hub=S, image=S, initContainerName=S, labelPods=B,
               repairPods=B, tag=IOS),
    resource_quotas=obj(enabled=B, pods=I), resourceQuotas=obj(enabled=B, pods=I), resources=RESOURCES, rollingMaxUnavailable=IOS, rollingMaxSurge=IOS,
    updateStrategy=ANY, tolerations={"type": "array", "items": obj(key=S, operator=S, value=S, effect=S, tolerationSeconds=I)},
    terminationGracePeriodSeconds=dict(I, minimum=0), seLinuxOptions=ANY, revision=S,
    seccompProfile=dict(obj(type=enum("RuntimeDefault", "Unconfined", "Localhost"), localhostProfile=S), required=["type"]),
    tag=IOS, useAppArmorAnnotation=B, variant=S)
GLOBAL = obj(defaultResources=RESOURCES, hub=S, imagePullPolicy=PULL, imagePullSecrets=STRINGS, logAsJson=B, logging=obj(level=S), nativeNftables=B,
             networkPolicy=obj(enabled=B), platform=S, resourceScope=enum("all", "cluster", "namespace"), tag=IOS, variant=S)

CONTAINER_ENV = {"type": "object", "additionalProperties": {"x-kubernetes-preserve-unknown-fields": True}}
ZTUNNEL = obj(
    affinity=ANY, annotations=MAP, caAddress=S, dnsConfig=ANY, dnsPolicy=enum("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"), env=CONTAINER_ENV, hub=S, image=S,
    imagePullPolicy=PULL, imagePullSecrets={"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": True}}, istioNamespace=S, labels=MAP, logAsJson=B, logLevel=S, meshConfig=ANY,
    multiCluster=obj(clusterName=S, enabled=B), network=S, nodeSelector=MAP, peerCaCrl=obj(enabled=B), podAnnotations=MAP, podLabels=MAP, resourceName=S,
    resourceQuotas=obj(enabled=B, pods=I), resources=RESOURCES, revision=S, seLinuxOptions=ANY, tag=IOS, terminationGracePeriodSeconds=dict(I, minimum=0),
    tolerations={"type": "array", "items": obj(key=S, operator=S, value=S, effect=S, tolerationSeconds=I)}, updateStrategy=ANY, variant=S,
    volumeMounts={"type": "array", "items": ANY}, volumes={"type": "array", "items": ANY}, xdsAddress=S)
INVENTORY = {"type": "array", "description": "The objects that this resource made.", "items": obj(apiVersion=S, kind=S, namespace=S, name=S)}
ROLLOUT = dict(obj(desired=I, updated=I, ready=I, outdated=I, generation=I, progressedAt={"type": "string", "format": "date-time"}, undoneGeneration=I, undoneBecause=S, failing={"type": "array", "items": obj(node=S, pod=S, reason=S, message=S)}), description="How far the nodes are.")

CONDITIONS = {"type": "array", "description": "The observations that status.state sums up. Each says which generation it is about.",
              "items": dict(obj(type=S, status=enum("True", "False", "Unknown"), reason=S, message=S, lastTransitionTime={"type": "string", "format": "date-time"},
                                observedGeneration=I))}


# What fields mean that say nothing where they are defined, of any kind.
WHAT = {
    "spec": "What is asked for.",
    "spec.namespace": "Where the control plane runs.",
    "spec.version": "The Istio version.",
    "spec.updateStrategy": "How the control plane gets to another version.",
    "spec.updateStrategy.type": "InPlace: the revision itself is updated. RevisionBased: a revision of its own for each version; workloads are moved.",
    "spec.updateStrategy.inactiveRevisionDeletionGracePeriodSeconds": "How long an old revision must have been unused before it is deleted; 30.",
    "spec.updateStrategy.updateWorkloads": "Accepted; workloads are moved by their labels.",
    "spec.targetRef": "What the tag stands for.",
    "spec.targetRef.kind": "An Istio means its active revision.",
    "spec.targetRef.name": "Its name.",
    "status": "What is.",
    "status.observedGeneration": "The generation of the resource that the status is about.",
    "status.conditions[].type": "What it is about; one condition of each type.",
    "status.conditions[].status": "Whether it holds.",
    "status.conditions[].reason": "Why, in one word.",
    "status.conditions[].message": "Why, for a person, and what to do.",
    "status.conditions[].lastTransitionTime": "When its status changed.",
    "status.conditions[].observedGeneration": "The generation of the resource that it was computed for.",
    "status.state": "The reason of the first condition that is not True, else Healthy.",
    "status.rollout.desired": "Nodes that should have an agent or a proxy.",
    "status.rollout.updated": "Nodes where one of what was applied serves.",
    "status.rollout.ready": "Nodes where any serves.",
    "status.rollout.outdated": "Pods that are not of what was applied and have not ended.",
    "status.rollout.generation": "The generation of the resource that progressedAt is about.",
    "status.rollout.progressedAt": "When a node was updated for the last time.",
    "status.rollout.undoneGeneration": "The generation of the resource whose update failed and was undone.",
    "status.rollout.undoneBecause": "Why it was.",
    "status.rollout.failing": "Nodes whose new pod does not start, 50 at most.",
    "status.rollout.failing[].node": "The node.",
    "status.rollout.failing[].pod": "Its pod.",
    "status.rollout.failing[].reason": "As the kubelet says it.",
    "status.rollout.failing[].message": "As the kubelet says it.",
    "status.controlPlanes[].kind": "Istio or IstioRevision.",
    "status.controlPlanes[].name": "Its name.",
    "status.controlPlanes[].version": "The version that it runs, or is getting.",
    "status.controlPlanes[].allowed": "Whether this CNI can serve it.",
    "status.controlPlanes[].message": "Why not, and the way out.",
    "status.history[].version": "The version.",
    "status.history[].completedAt": "When the last node got it.",
    "status.inventory[].apiVersion": "Its group and version.",
    "status.inventory[].kind": "Its kind.",
    "status.inventory[].namespace": "Its namespace, if it has one.",
    "status.inventory[].name": "Its name.",
    "status.activeRevisionName": "The revision that is of spec.version.",
    "status.revisions": "How many revisions there are.",
    "status.revisions.total": "All of this Istio.",
    "status.revisions.ready": "Those that are ready.",
    "status.revisions.inUse": "Those that workloads use.",
    "status.istiodNamespace": "Where the control plane runs that the tag stands for.",
    "status.istioRevision": "The revision that it stands for, or uses.",
}


def explain(schema, path):
    """Gives the fields below a description from WHAT, down to the values of charts."""
    for name, below in schema.get("properties", {}).items():
        here = path + name
        if "description" not in below and here in WHAT:
            below = schema["properties"][name] = {"description": WHAT[here], **below}
        if here == "spec.values":
            continue
        if below.get("type") == "array":
            below["items"] = dict(below["items"])
            explain(below["items"], here + "[].")
        else:
            explain(below, here + ".")


def crd(kind, plural, spec, status, columns, root_rules=None, short=None, spec_default=None):
    schema = obj(spec=spec, status=status)
    explain(schema, "")
    if spec_default:
        schema["properties"]["spec"] = dict(schema["properties"]["spec"], default=spec_default)
    if root_rules:
        schema["x-kubernetes-validations"] = root_rules
    names = {"kind": kind, "listKind": kind + "List", "plural": plural, "singular": kind.lower(), "categories": ["istio-io"]}
    if short:
        names["shortNames"] = short
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": plural + ".sailoperator.io"},
            "spec": {"group": "sailoperator.io", "scope": "Cluster", "names": names,
                     "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                                   "additionalPrinterColumns": columns, "schema": {"openAPIV3Schema": schema}}]}}


def column(name, path, description, kind="string"):
    return {"name": name, "type": kind, "jsonPath": path, "description": description}


AGE = column("Age", ".metadata.creationTimestamp", "The age of the object", "date")
READY = column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether everything runs as it should.")
STATUS = column("Status", ".status.state", "The current state of this object.")
VERSION = column("Version", ".spec.version", "The version that is wanted.")
IMMUTABLE = [{"rule": "self == oldSelf", "message": "Value is immutable"}]
NAME_DEFAULT = [{"rule": "self.metadata.name == 'default'", "message": "metadata.name must be 'default'"}]


def main():
    default, names, aliases = catalogue()
    version = {"type": "string", "enum": names, "default": default, "description": "The Istio version. An alias such as v1.28-latest means the newest of its line."}
    profile = dict(enum(*PROFILES), description="The built-in set of values to start from.")
    istiocni = crd(
        "IstioCNI", "istiocnis",
        dict(obj(version=version, profile=profile,
                 namespace=dict(S, default="istio-cni", description="Where the node agents run. It must exist.", **{"x-kubernetes-validations": IMMUTABLE}),
                 values=dict(obj(cni=CNI, **{"global": GLOBAL}), description="Values of the istio-cni chart."),
                 rollout=dict(obj(
                     canary=dict(B, description="Updates one node first, and the others when its agent is ready."),
                     maxSurge=dict(IOS, description="How many nodes have a second agent at once; as values.cni.rollingMaxSurge."),
                     maxUnavailable=dict(IOS, description="How many nodes may be without an agent; as values.cni.rollingMaxUnavailable."),
                     progressDeadlineSeconds=dict(I, minimum=1, description="An update in which no further node is updated for so long has failed; 600."),
                     rollbackOnFailure=dict(B, description="Installs the last version that was complete again when an update has failed.")),
                     description="How an update goes over the nodes.")), required=["version", "namespace"]),
        obj(observedGeneration=I, conditions=CONDITIONS, state=dict(S, description="The reason of the first condition that is not True, else Healthy."),
            runningVersion=dict(S, description="The oldest version that an agent runs; spec.version once the update is done."),
            rollout=ROLLOUT,
            controlPlanes={"type": "array", "description": "The control planes that use this CNI, and whether the versions fit.",
                           "items": obj(kind=S, name=S, version=S, allowed=B, message=S)},
            lastGood=dict(ANY, description="What was installed when everything was ready for the last time."),
            history={"type": "array", "description": "The versions that were installed everywhere, newest first.",
                     "items": obj(version=S, completedAt={"type": "string", "format": "date-time"})},
            inventory=INVENTORY),
        [column("Namespace", ".spec.namespace", "The namespace of the node agents."), column("Profile", ".spec.profile", "The profile of values."), READY, STATUS, VERSION, AGE],
        NAME_DEFAULT, spec_default={"version": default, "namespace": "istio-cni"})
    # The rule below needs to know this one field.
    values = dict(ANY, properties={"global": dict(ANY, properties={"istioNamespace": S})})
    istio_ns = {"rule": "!has(self.values) || !has(self.values.global) || !has(self.values.global.istioNamespace) || self.values.global.istioNamespace == self.__namespace__",
                "message": "spec.values.global.istioNamespace must match spec.namespace"}
    istio = crd(
        "Istio", "istios",
        dict(obj(version=version, profile=profile, values=values,
                 namespace=dict(S, default="istio-system", **{"x-kubernetes-validations": IMMUTABLE}),
                 updateStrategy=dict(obj(type=dict(enum("InPlace", "RevisionBased"), default="InPlace"), inactiveRevisionDeletionGracePeriodSeconds=dict(I, minimum=0),
                                         updateWorkloads=B), default={"type": "InPlace"})),
             required=["version", "namespace"], **{"x-kubernetes-validations": [istio_ns]}),
        obj(observedGeneration=I, conditions=CONDITIONS, state=S, activeRevisionName=S, revisions=obj(total=I, ready=I, inUse=I)),
        [column("Namespace", ".spec.namespace", "The namespace of the control plane."), column("Profile", ".spec.profile", "The profile of values."),
         column("Revisions", ".status.revisions.total", "Revisions of this control plane."), column("Ready", ".status.revisions.ready", "Revisions that are ready."),
         column("In use", ".status.revisions.inUse", "Revisions that workloads use."), column("Active Revision", ".status.activeRevisionName", "The active revision."),
         STATUS, VERSION, AGE], spec_default={"version": default, "namespace": "istio-system", "updateStrategy": {"type": "InPlace"}})
    revision_version = {"type": "string", "enum": [n for n in names if n not in aliases]}
    revision_values = dict(ANY, properties={"revision": S, "profile": S, "global": dict(ANY, properties={"istioNamespace": S})})
    own_ns = {"rule": "self.values.global.istioNamespace == self.__namespace__", "message": "spec.values.global.istioNamespace must match spec.namespace"}
    own_name = {"rule": "(self.metadata.name == 'default' && (!has(self.spec.values.revision) || size(self.spec.values.revision) == 0)) || (self.metadata.name != 'default' && has(self.spec.values.revision) && self.spec.values.revision == self.metadata.name)",
                "message": "spec.values.revision must be empty when the name is 'default', and the same as metadata.name otherwise"}
    revision = crd(
        "IstioRevision", "istiorevisions",
        dict(obj(version=revision_version, namespace=dict(S, **{"x-kubernetes-validations": IMMUTABLE}), values=revision_values), required=["version", "namespace", "values"],
             **{"x-kubernetes-validations": [own_ns]}),
        obj(observedGeneration=I, conditions=CONDITIONS, state=S, inventory=INVENTORY,
            runningVersion=dict(S, description="The version of the control plane's pods; spec.version once an update is done.")),
        [column("Namespace", ".spec.namespace", "The namespace of the control plane."), column("Profile", ".spec.values.profile", "The profile of values."), READY, STATUS,
         column("In use", '.status.conditions[?(@.type=="InUse")].status', "Whether workloads use it."), VERSION, AGE], [own_name], short=["istiorev"])
    target = dict(obj(kind=enum("Istio", "IstioRevision"), name=dict(S, minLength=1, maxLength=253)), required=["kind", "name"])
    tag = crd(
        "IstioRevisionTag", "istiorevisiontags", dict(obj(targetRef=target), required=["targetRef"]),
        obj(observedGeneration=I, conditions=CONDITIONS, state=S, istiodNamespace=S, istioRevision=S, inventory=INVENTORY),
        [STATUS, column("In use", '.status.conditions[?(@.type=="InUse")].status', "Whether workloads use it."),
         column("Revision", ".status.istioRevision", "The revision that the tag means."), AGE], short=["istiorevtag"])
    ztunnel = crd(
        "ZTunnel", "ztunnels",
        dict(obj(version=version, namespace=dict(S, default="ztunnel", description="Where the node proxies run. It must exist."),
                 values=dict(obj(ztunnel=ZTUNNEL, **{"global": dict(ANY)}), description="Values of the ztunnel chart."),
                 targetRef=dict(target, description="The control plane that the proxies use, when it is not the default one.")), required=["version", "namespace"]),
        obj(observedGeneration=I, conditions=CONDITIONS, state=S, istioRevision=S, rollout=ROLLOUT, inventory=INVENTORY,
            runningVersion=dict(S, description="The oldest version that a proxy runs; spec.version once the update is done.")),
        [column("Namespace", ".spec.namespace", "The namespace of the node proxies."), READY, STATUS, VERSION,
         column("Revision", ".status.istioRevision", "The revision that the proxies use."), AGE],
        NAME_DEFAULT, spec_default={"version": default, "namespace": "ztunnel"})
    out = ROOT / "charts/fairlead-operator/crds"
    stale = []
    for c in (istiocni, istio, revision, tag, ztunnel):
        path = out / f"sailoperator.io_{c['spec']['names']['plural']}.yaml"
        text = "# Written by tools/generate_crds.py. YAML that is JSON: one parser less to disagree with.\n" + json.dumps(c, indent=1) + "\n"
        if "--check" in sys.argv:
            if not path.exists() or path.read_text() != text:
                stale.append(path.name)
        else:
            path.write_text(text)
    if stale:
        sys.exit("out of date, run tools/generate_crds.py: " + ", ".join(stale))


if __name__ == "__main__":
    main()
