"""The requests that are sent to the lab and to a real API server: what kubectl, client-go and our own client send, and what goes
wrong. Each has a name, so that a difference can be listed by it.

A request may use $rv.NAME and $uid.NAME, the resourceVersion and UID in the answer of an earlier request that says save="NAME"."""
import copy

JSON = "application/json"
MERGE, JSON_PATCH, STRATEGIC, APPLY = ("application/merge-patch+json", "application/json-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml")
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
NS = "conformance"


class Kind:
    def __init__(self, name, api, plural, body, change, bad=(), namespaced=True, status=None):
        """`change`: a merge patch to a valid object. `bad`: (name, merge patch) that validation refuses. `status`: one for /status."""
        self.name, self.api, self.plural, self.body, self.change, self.bad, self.namespaced, self.status = name, api, plural, body, change, bad, namespaced, status

    @property
    def prefix(self):
        return ("/api/v1" if self.api == "v1" else "/apis/" + self.api)

    def path(self, name="", query=""):
        return self.prefix + (f"/namespaces/{NS}" if self.namespaced else "") + "/" + self.plural + ("/" + name if name else "") + query

    def object(self, name, **metadata):
        meta = dict({"name": name, "labels": {"suite": "conformance", "color": "blue"}}, **metadata)
        if self.namespaced:
            meta["namespace"] = NS
        return dict({"apiVersion": self.api, "kind": self.name, "metadata": meta}, **copy.deepcopy(self.body))


TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": {"nodeSelector": {"nowhere": "true"}, "containers": [{"name": "a", "image": "example.test/a:1"}]}}
KINDS = [
    Kind("ConfigMap", "v1", "configmaps", {"data": {"a": "1", "b": "2"}}, {"data": {"a": "changed", "b": None, "c": "3"}},
         [("number-as-string", {"data": {"a": 1}}), ("key-with-space", {"data": {"a b": "1"}}), ("unknown-field", {"datum": {}})]),
    Kind("Secret", "v1", "secrets", {"type": "Opaque", "data": {"a": "MQ=="}}, {"data": {"b": "Mg=="}}, [("not-base64", {"data": {"a": "?"}})]),
    Kind("ServiceAccount", "v1", "serviceaccounts", {}, {"automountServiceAccountToken": False}, [("wrong-type", {"automountServiceAccountToken": "no"})]),
    Kind("ResourceQuota", "v1", "resourcequotas", {"spec": {"hard": {"pods": "5"}}}, {"spec": {"hard": {"pods": "6"}}}),
    Kind("Role", "rbac.authorization.k8s.io/v1", "roles", {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
         {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]}, [("no-verbs", {"rules": [{"apiGroups": [""], "resources": ["pods"]}]})]),
    Kind("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings",
         {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": NS}]},
         {"subjects": []}, [("role-ref-changed", {"roleRef": {"name": "other"}})]),
    Kind("ClusterRole", "rbac.authorization.k8s.io/v1", "clusterroles", {"rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]}, {"rules": []}, namespaced=False),
    Kind("Lease", "coordination.k8s.io/v1", "leases", {"spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}},
         {"spec": {"holderIdentity": "b", "leaseTransitions": 1}}, [("negative-duration", {"spec": {"leaseDurationSeconds": -1}})]),
    Kind("DaemonSet", "apps/v1", "daemonsets", {"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}},
         {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "example.test/a:2"}]}}}},
         [("selector-changed", {"spec": {"selector": {"matchLabels": {"app": "y"}}}}), ("no-containers", {"spec": {"template": {"spec": {"containers": []}}}}),
          ("bad-image-type", {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": 5}]}}}}), ("surge-and-unavailable-zero", {"spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}}),
          ("unknown-strategy", {"spec": {"updateStrategy": {"type": "Sometimes"}}})],
         status={"status": {"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0}}),
    Kind("Pod", "v1", "pods", {"spec": {"nodeSelector": {"nowhere": "true"}, "automountServiceAccountToken": False, "containers": [{"name": "a", "image": "example.test/a:1"}]}},
         {"metadata": {"annotations": {"note": "changed"}}},
         [("no-name", {"spec": {"containers": [{"image": "x"}]}}), ("bad-restart-policy", {"spec": {"restartPolicy": "Sometimes"}}), ("immutable-node-selector", {"spec": {"hostNetwork": True}})],
         status={"status": {"message": "said by a test"}}),
    Kind("PriorityClass", "scheduling.k8s.io/v1", "priorityclasses", {"value": 5, "description": "d"}, {"description": "e"}, [("value-changed", {"value": 6})], namespaced=False),
    Kind("IstioCNI", "sailoperator.io/v1", "istiocnis", {"spec": {"version": "v1.28.5", "namespace": "istio-cni"}}, {"spec": {"version": "v1.28.6"}},
         [("unknown-version", {"spec": {"version": "v9.9.9"}}), ("namespace-changed", {"spec": {"namespace": "other"}}), ("wrong-type", {"spec": {"values": {"cni": {"chained": "maybe"}}}})],
         namespaced=False, status={"status": {"state": "Healthy", "observedGeneration": 1}}),
    Kind("IstioRevision", "sailoperator.io/v1", "istiorevisions",
         {"spec": {"version": "v1.28.5", "namespace": "istio-system", "values": {"revision": "one", "global": {"istioNamespace": "istio-system"}}}}, {"spec": {"version": "v1.28.6"}},
         [("version-missing", {"spec": {"version": None}}), ("other-revision", {"spec": {"values": {"revision": "two"}}})], namespaced=False),
    Kind("Deployment", "apps/v1", "deployments", {"spec": {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}},
         {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "example.test/a:2"}]}}}}, status={"status": {"replicas": 0}}),
]


def request(name, method, path, body=None, content_type=JSON, accept=JSON, save=None, until=None):
    """`until`: sent again until the answer has these members, by dotted path, or this status under "code"; for what controllers do."""
    return {"name": name, "method": method, "path": path, "body": body, "content_type": content_type, "accept": accept, "save": save, "until": until}


def merged(base, patch):
    """RFC 7386."""
    out = copy.deepcopy(base)
    for k, v in patch.items():
        if v is None:
            out.pop(k, None)
        elif isinstance(v, dict) and isinstance(out.get(k), dict):
            out[k] = merged(out[k], v)
        else:
            out[k] = copy.deepcopy(v)
    return out


def life(k):
    """One object's life, with everything that may be asked of it on the way."""
    n = "default" if k.name == "IstioCNI" else "one"
    p = k.name.lower() + "/"
    obj = k.object(n)
    r = lambda name, *args, **kw: request(p + name, *args, **kw)
    yield r("create-dry-run", "POST", k.path(query="?dryRun=All"), obj)
    yield r("get-before", "GET", k.path(n))
    yield r("delete-before", "DELETE", k.path(n))
    yield r("create", "POST", k.path(), obj, save="made")
    yield r("create-again", "POST", k.path(), obj)
    yield r("create-without-name", "POST", k.path(), merged(obj, {"metadata": {"name": None}}))
    yield r("create-bad-name", "POST", k.path(), merged(obj, {"metadata": {"name": "Not_Valid!"}}))
    yield r("create-bad-label", "POST", k.path(), merged(obj, {"metadata": {"name": "lab", "labels": {"a/b/c": "x"}}}))
    yield r("create-wrong-kind", "POST", k.path(), dict(obj, kind="Other"))
    yield r("create-wrong-api-version", "POST", k.path(), dict(obj, apiVersion="other/v1"))
    yield r("create-not-json", "POST", k.path(), "{not json")
    yield r("create-unknown-media-type", "POST", k.path(), obj, content_type="text/plain")
    yield r("create-unknown-field-strict", "POST", k.path(query="?fieldValidation=Strict&dryRun=All"), dict(merged(obj, {"metadata": {"name": "strict"}}), surprise=1))
    yield r("create-unknown-field-ignored", "POST", k.path(query="?fieldValidation=Ignore&dryRun=All"), dict(merged(obj, {"metadata": {"name": n + "x" if k.name != "IstioCNI" else n}}), surprise=1))
    yield r("get", "GET", k.path(n))
    yield r("get-table", "GET", k.path(n), accept=TABLE)
    yield r("get-table-with-object", "GET", k.path(n, "?includeObject=Object"), accept=TABLE)
    yield r("get-partial", "GET", k.path(n), accept=PARTIAL)
    yield r("get-missing", "GET", k.path("missing"))
    yield r("list-by-label", "GET", k.path(query="?labelSelector=suite%3Dconformance"))
    yield r("list-by-absent-label", "GET", k.path(query="?labelSelector=suite%3Dother"))
    yield r("list-by-set", "GET", k.path(query="?labelSelector=color%20in%20(blue,red),suite"))
    yield r("list-bad-selector", "GET", k.path(query="?labelSelector=a%3D%3D%3Db"))
    yield r("list-by-name", "GET", k.path(query=f"?fieldSelector=metadata.name%3D{n}"))
    yield r("list-by-unknown-field", "GET", k.path(query="?fieldSelector=spec.nothing%3Dx"))
    yield r("list-table", "GET", k.path(query="?labelSelector=suite%3Dconformance"), accept=TABLE)
    yield r("list-partial", "GET", k.path(query="?labelSelector=suite%3Dconformance"), accept=PARTIAL_LIST)
    yield r("list-bad-limit", "GET", k.path(query="?limit=x"))
    yield r("put-stale", "PUT", k.path(n), merged(obj, {"metadata": {"resourceVersion": "1"}}))
    yield r("put-wrong-name", "PUT", k.path("other"), merged(obj, {"metadata": {"resourceVersion": "$rv.made"}}))
    yield r("put-wrong-uid", "PUT", k.path(n), merged(obj, {"metadata": {"uid": "11111111-1111-1111-1111-111111111111", "resourceVersion": "$rv.made"}}))
    yield r("put-missing", "PUT", k.path("missing"), merged(obj, {"metadata": {"name": "missing", "resourceVersion": "5"}}))
    yield r("merge-patch", "PATCH", k.path(n), k.change, content_type=MERGE, save="patched")
    yield r("merge-patch-same", "PATCH", k.path(n), k.change, content_type=MERGE)
    yield r("merge-patch-dry-run", "PATCH", k.path(n, "?dryRun=All"), {"metadata": {"labels": {"color": "red"}}}, content_type=MERGE)
    yield r("merge-patch-stale", "PATCH", k.path(n), {"metadata": {"resourceVersion": "$rv.made", "labels": {"x": "y"}}}, content_type=MERGE)
    yield r("merge-patch-missing", "PATCH", k.path("missing"), {"metadata": {"labels": {"x": "y"}}}, content_type=MERGE)
    yield r("merge-patch-rename", "PATCH", k.path(n), {"metadata": {"name": "renamed"}}, content_type=MERGE)
    yield r("merge-patch-not-an-object", "PATCH", k.path(n), [1], content_type=MERGE)
    yield r("json-patch", "PATCH", k.path(n), [{"op": "test", "path": "/metadata/labels/color", "value": "blue"}, {"op": "add", "path": "/metadata/labels/size", "value": "big"}], content_type=JSON_PATCH)
    yield r("json-patch-remove", "PATCH", k.path(n), [{"op": "remove", "path": "/metadata/labels/size"}], content_type=JSON_PATCH)
    yield r("json-patch-test-fails", "PATCH", k.path(n), [{"op": "test", "path": "/metadata/labels/color", "value": "red"}], content_type=JSON_PATCH)
    yield r("json-patch-missing-path", "PATCH", k.path(n), [{"op": "remove", "path": "/metadata/labels/none"}], content_type=JSON_PATCH)
    yield r("json-patch-unknown-op", "PATCH", k.path(n), [{"op": "increase", "path": "/metadata/labels/color"}], content_type=JSON_PATCH)
    yield r("strategic-patch", "PATCH", k.path(n), {"metadata": {"labels": {"weight": "light"}}}, content_type=STRATEGIC)
    yield r("patch-unknown-type", "PATCH", k.path(n), {}, content_type="application/other")
    yield r("apply-new-field", "PATCH", k.path(n, "?fieldManager=alice"), k.object(n, labels={"owner": "alice"}), content_type=APPLY, save="applied")
    yield r("apply-same", "PATCH", k.path(n, "?fieldManager=alice"), k.object(n, labels={"owner": "alice"}), content_type=APPLY)
    only_labels = lambda owner: {"apiVersion": k.api, "kind": k.name, "metadata": {"name": n, "labels": {"owner": owner}}}
    yield r("apply-conflict", "PATCH", k.path(n, "?fieldManager=bob"), only_labels("bob"), content_type=APPLY)
    yield r("apply-forced", "PATCH", k.path(n, "?fieldManager=bob&force=true"), only_labels("bob"), content_type=APPLY)
    yield r("apply-without-manager", "PATCH", k.path(n), only_labels("carol"), content_type=APPLY)
    yield r("apply-with-managed-fields", "PATCH", k.path(n, "?fieldManager=dave"), merged(only_labels("dave"), {"metadata": {"managedFields": [{"manager": "x"}]}}), content_type=APPLY)
    for name, patch in k.bad:
        yield r("bad-" + name, "PATCH", k.path(n), patch, content_type=MERGE)
    for name, patch in k.bad:
        yield r("bad-create-" + name, "POST", k.path(query="?dryRun=All"), merged(merged(obj, {"metadata": {"name": n if k.name == "IstioCNI" else "bad"}}), patch))
    if k.status:
        yield r("status-get", "GET", k.path(n + "/status"))
        yield r("status-merge-patch", "PATCH", k.path(n + "/status"), k.status, content_type=MERGE)
        yield r("status-patch-leaves-spec", "PATCH", k.path(n + "/status"), k.change if k.name != "Pod" else {"spec": {"hostNetwork": True}}, content_type=MERGE)
    yield r("subresource-missing", "GET", k.path(n + "/nothing"))
    yield r("delete-wrong-uid", "DELETE", k.path(n), {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "11111111-1111-1111-1111-111111111111"}})
    yield r("delete-wrong-version", "DELETE", k.path(n), {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"resourceVersion": "1"}})
    yield r("delete-dry-run", "DELETE", k.path(n, "?dryRun=All"))
    yield r("finalizer-add", "PATCH", k.path(n), {"metadata": {"finalizers": ["fairlead.dev/hold"]}}, content_type=MERGE)
    yield r("delete-held", "DELETE", k.path(n, "?gracePeriodSeconds=0"))
    yield r("delete-held-again", "DELETE", k.path(n, "?gracePeriodSeconds=0"))
    yield r("finalizer-add-while-deleting", "PATCH", k.path(n), {"metadata": {"finalizers": ["fairlead.dev/hold", "fairlead.dev/more"]}}, content_type=MERGE)
    yield r("finalizer-remove", "PATCH", k.path(n), {"metadata": {"finalizers": None}}, content_type=MERGE)
    yield r("get-after", "GET", k.path(n))
    yield r("apply-creates", "PATCH", k.path(n, "?fieldManager=alice"), obj, content_type=APPLY)
    yield r("delete-collection", "DELETE", k.path(query="?labelSelector=suite%3Dconformance&gracePeriodSeconds=0"))
    yield r("list-after", "GET", k.path(query="?labelSelector=suite%3Dconformance"))


def general():
    r = request
    for name, path in (("version", "/version"), ("healthz", "/healthz"), ("readyz", "/readyz"), ("livez", "/livez"), ("root-missing", "/nothing"), ("api", "/api"), ("api-v1-missing", "/api/v1/nothings"),
                       ("apis-group-missing", "/apis/nothing.example/v1"), ("group-apps", "/apis/apps"), ("group-sail", "/apis/sailoperator.io"), ("resources-sail", "/apis/sailoperator.io/v1"),
                       ("namespaces-missing", "/api/v1/namespaces/nowhere/configmaps/x"), ("list-in-missing-namespace", "/api/v1/namespaces/nowhere/configmaps")):
        yield r("general/" + name, "GET", path)
    yield r("general/create-in-missing-namespace", "POST", "/api/v1/namespaces/nowhere/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}})
    yield r("general/namespace-mismatch", "POST", f"/api/v1/namespaces/{NS}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "other"}})
    yield r("general/post-to-a-name", "POST", f"/api/v1/namespaces/{NS}/configmaps/x", {})
    yield r("general/put-to-a-list", "PUT", f"/api/v1/namespaces/{NS}/configmaps", {})
    yield r("general/not-acceptable", "GET", f"/api/v1/namespaces/{NS}/configmaps", accept="image/png")
    yield r("general/generate-name", "POST", f"/api/v1/namespaces/{NS}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-", "labels": {"suite": "conformance"}}})
    yield r("general/delete-generated", "DELETE", f"/api/v1/namespaces/{NS}/configmaps?labelSelector=suite%3Dconformance")
    for verb, resource in (("get", "pods"), ("escalate", "everything")):
        yield r(f"general/access-review-{verb}", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {"verb": verb, "resource": resource}}})


def pages():
    """Lists in pages, and watches: from a version, with bookmarks, from one that is too old."""
    cm = KINDS[0]
    for i in range(5):
        yield request(f"pages/create-{i}", "POST", cm.path(), cm.object(f"page-{i}", labels={"suite": "pages"}), save=f"page{i}")
    yield request("pages/first", "GET", cm.path(query="?labelSelector=suite%3Dpages&limit=2"), save="first")
    yield request("pages/second", "GET", cm.path(query="?labelSelector=suite%3Dpages&limit=2&continue=$continue.first"), save="second")
    yield request("pages/third", "GET", cm.path(query="?labelSelector=suite%3Dpages&limit=2&continue=$continue.second"))
    yield request("pages/bad-continue", "GET", cm.path(query="?limit=2&continue=nonsense"))
    yield request("watch/from-version", "GET", cm.path(query="?watch=1&labelSelector=suite%3Dpages&timeoutSeconds=1&resourceVersion=$rv.page1"))
    yield request("watch/initial", "GET", cm.path(query="?watch=1&labelSelector=suite%3Dpages&timeoutSeconds=1&resourceVersion=0"))
    yield request("watch/send-initial-events", "GET", cm.path(query="?watch=1&labelSelector=suite%3Dpages&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"))
    yield request("watch/table", "GET", cm.path(query="?watch=1&labelSelector=suite%3Dpages&timeoutSeconds=1&resourceVersion=$rv.page3"), accept=TABLE)
    yield request("watch/bad-version", "GET", cm.path(query="?watch=1&timeoutSeconds=1&resourceVersion=x"))
    yield request("watch/future-version", "GET", cm.path(query="?resourceVersion=99999999&timeoutSeconds=1"))
    yield request("watch/exact-match-without-version", "GET", cm.path(query="?resourceVersionMatch=Exact"))
    yield request("watch/relabelled-out", "PATCH", cm.path("page-0"), {"metadata": {"labels": {"suite": "left"}}}, content_type=MERGE)
    yield request("watch/sees-a-deletion", "GET", cm.path(query="?watch=1&labelSelector=suite%3Dpages&timeoutSeconds=1&resourceVersion=$rv.page4"))
    yield request("pages/delete-collection", "DELETE", cm.path(query="?labelSelector=suite+in+(pages,left)"))


def garbage():
    """Owners and what depends on them."""
    cm = KINDS[0]
    for how in ("Background", "Foreground", "Orphan"):
        name = how.lower()
        yield request(f"garbage/{name}-owner", "POST", cm.path(), cm.object(f"owner-{name}", labels={"suite": "garbage"}), save="owner")
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": f"owner-{name}", "uid": "$uid.owner", "controller": True, "blockOwnerDeletion": True}
        yield request(f"garbage/{name}-dependent", "POST", cm.path(), cm.object(f"dependent-{name}", labels={"suite": "garbage"}, ownerReferences=[reference]))
        yield request(f"garbage/{name}-delete", "DELETE", cm.path(f"owner-{name}"), {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": how})
        yield request(f"garbage/{name}-owner-gone", "GET", cm.path(f"owner-{name}"), until={"code": 404})
        yield request(f"garbage/{name}-then", "GET", cm.path(f"dependent-{name}"), until={"code": 200 if how == "Orphan" else 404})
    absent = {"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "uid": "11111111-1111-1111-1111-111111111111"}
    yield request("garbage/absent-owner", "POST", cm.path(), cm.object("left", labels={"suite": "garbage"}, ownerReferences=[absent]))
    yield request("garbage/absent-owner-then", "GET", cm.path("left"), until={"code": 404})
    yield request("garbage/two-controllers", "POST", cm.path(), cm.object("two", ownerReferences=[dict(absent, controller=True), dict(absent, uid="22222222-2222-2222-2222-222222222222", controller=True)]))


def rollout():
    """A DaemonSet on three nodes whose image nobody has: what its controller says at each step."""
    ds = next(k for k in KINDS if k.name == "DaemonSet")
    body = ds.object("rolling", labels={"suite": "rollout"})
    body["spec"]["template"]["spec"].pop("nodeSelector")
    body["spec"]["template"]["spec"]["tolerations"] = [{"operator": "Exists"}]
    settled = lambda generation: {"status.observedGeneration": generation, "status.desiredNumberScheduled": 3, "status.currentNumberScheduled": 3, "status.updatedNumberScheduled": 3}
    get = lambda name, **kw: request("rollout/" + name, "GET", ds.path("rolling"), **kw)
    yield request("rollout/create", "POST", ds.path(), body)
    yield get("scheduled", until=settled(1))
    yield request("rollout/change", "PATCH", ds.path("rolling"), {"spec": {"template": {"metadata": {"annotations": {"x": "1"}}}}}, content_type=MERGE)
    yield get("rolled", until=settled(2))
    yield request("rollout/surge", "PATCH", ds.path("rolling"), {"spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}}, content_type=MERGE)
    yield get("observed", until={"status.observedGeneration": 3})
    yield request("rollout/nowhere", "PATCH", ds.path("rolling"), {"spec": {"template": {"spec": {"nodeSelector": {"nowhere": "true"}}}}}, content_type=MERGE)
    yield get("none-left", until={"status.observedGeneration": 4, "status.desiredNumberScheduled": 0, "status.currentNumberScheduled": 0, "status.numberMisscheduled": 0})
    yield request("rollout/delete", "DELETE", ds.path("rolling"), {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"})
    yield get("gone", until={"code": 404})


def cases():
    yield request("setup/namespace", "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS}})
    yield from general()
    for kind in KINDS:
        yield from life(kind)
    yield from pages()
    yield from garbage()
    yield from rollout()
    yield request("teardown/namespace", "DELETE", f"/api/v1/namespaces/{NS}")


if __name__ == "__main__":
    every = list(cases())
    assert len({c["name"] for c in every}) == len(every)
    print(len(every), "requests")
