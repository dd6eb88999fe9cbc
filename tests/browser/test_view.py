"""The live view in a real browser, while the CNI is really updated on the lab: from a laptop with `fairlead dashboard`, and from the
operator with a token. Screenshots go to build/screenshots, or to FAIRLEAD_SCREENSHOTS."""
import json
import os
import pathlib
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent / "bench")]
import axe  # noqa: E402
import webdriver  # noqa: E402
from client import BUILD, ROOT  # noqa: E402
from cluster import Cluster  # noqa: E402
from scale import Api, token_of  # noqa: E402
from scenario import start_mesh  # noqa: E402
from webdriver import Browser  # noqa: E402

SHOTS = pathlib.Path(os.environ.get("FAIRLEAD_SCREENSHOTS", ROOT / "build/screenshots"))
REQUIRED = bool(os.environ.get("FAIRLEAD_REQUIRE_BROWSER"))


def setUpModule():
    why = webdriver.missing()
    if not why:
        try:
            axe.source()
        except axe.Missing as e:
            why = str(e)
    if why and not REQUIRED:
        raise unittest.SkipTest(why)
    if why:
        raise AssertionError(why)


class Page(unittest.TestCase):
    def sound(self, browser, name):
        """As it is shown in both themes: nothing to complain of. A picture of each."""
        for dark in (False, True):
            browser.dark(dark)
            browser.screenshot(SHOTS / f"view-{name}{'-dark' if dark else ''}.png")
            self.assertEqual(axe.findings(browser), [])
        browser.dark(False)
        self.assertEqual(browser.console(), [])

    def shows(self, browser, selector, text, seconds=30):
        browser.wait(lambda: text in browser.text(selector), seconds, f"{selector} shows \"{text}\"; it shows \"{browser.text(selector)[:300]}\"")


class Dashboard(Page):
    @classmethod
    def setUpClass(cls):
        cls.c = c = Cluster()
        cls.addClassCleanup(c.stop)
        c.install_operator()
        c.install_cni("v1.28.5")
        c.wait_ready()
        start_mesh(c)
        cls.dashboard = subprocess.Popen([str(BUILD / "fairlead"), "dashboard"], env=c.env, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.end)
        cls.address = next(word for word in cls.dashboard.stdout.readline().split() if word.startswith("http://"))
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)
        cls.browser.open(cls.address)

    @classmethod
    def end(cls):
        cls.dashboard.terminate()
        cls.dashboard.communicate(timeout=20)

    def test_1_idle(self):
        b = self.browser
        self.shows(b, "#state", "Ready")
        self.assertNotIn("token", b.url(), "the secret does not stay in the address")
        self.shows(b, "#versions", "v1.28.5")
        self.shows(b, "#pods-text", "None (3 agents were asked)")
        self.assertEqual(b.run("return [...document.querySelectorAll('#grid button')].map(b => b.className)"), ["serving"] * 3)
        self.assertEqual([r[0] for r in sorted(b.rows("#timeline"))], self.c.nodes)
        self.assertTrue(b.rows("#events"))
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(self.address)
        self.assertEqual(refused.exception.code, 401, "the address works once")
        self.sound(b, "idle")

    def test_2_an_update_is_seen_as_it_goes(self):
        b = self.browser
        b.run("""window.seen = {};
                 const keep = (what, text) => (seen[what] = seen[what] || new Set()).add(text);
                 new MutationObserver(() => {
                   document.querySelectorAll('#grid button').forEach(x => keep('tiles', x.className));
                   for (const id of ['state', 'command', 'versions', 'progress-text']) keep(id, document.getElementById(id).innerText);
                 }).observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true})""")
        seen = lambda what: set(b.run("return [...(seen[arguments[0]] || [])]", what))
        self.c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"version":"v1.28.6"}}')
        b.wait(lambda: {"1 of 3 nodes updated", "2 of 3 nodes updated"} & seen("progress-text"), 60, "a part of the nodes is updated")
        b.screenshot(SHOTS / "view-update.png")
        self.c.wait_ready()
        self.shows(b, "#progress-text", "3 of 3 nodes")
        self.shows(b, "#state", "Ready")
        self.assertIn("Updating", seen("state"))
        self.assertIn("kubectl wait --for=condition=Ready istiocnis/default --timeout=5m", seen("command"))
        self.assertIn("v1.28.5 → v1.28.6", seen("versions"))
        self.assertLessEqual({"serving", "old"}, seen("tiles"))
        self.assertFalse({"uncovered", "none", "failing", "down"} & seen("tiles"), "no node was without an agent at any moment")
        self.assertEqual(b.console(), [])

    def test_3_with_the_keyboard_alone(self):
        b = self.browser
        b.run("document.querySelector('#find').focus()")
        b.press("Tab")
        self.assertEqual(b.run("return document.activeElement.dataset.node"), "node-1")
        b.press("ArrowRight")
        self.assertEqual(b.run("return document.activeElement.dataset.node"), "node-2")
        self.shows(b, "#node", "node-2: serving, 1.28.6")
        b.press("End")
        self.assertEqual(b.run("return document.activeElement.getAttribute('aria-label')").split(",")[0], "node-3: serving")
        self.assertEqual(b.run("return document.querySelectorAll('#grid button[tabindex=\"0\"]').length"), 1, "one stop for the whole grid")
        b.run("document.querySelector('#find').focus()")
        b.press("n", "o", "d", "e", "-", "2")
        self.assertEqual(b.run("return [...document.querySelectorAll('#grid button')].map(b => b.dataset.node)"), ["node-2"])
        b.run("const f = document.querySelector('#find'); f.value = ''; f.dispatchEvent(new Event('input'))")
        self.assertEqual(b.run("return document.querySelectorAll('#grid button').length"), 3)

    def test_4_a_node_that_fails(self):
        b = self.browser
        self.c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"version":"v1.28.7"}}')
        self.shows(b, "#legend", "1 new agent failing", 60)
        self.shows(b, "#next-text", "does not start")
        self.shows(b, "#state", "Held up")
        self.shows(b, "#command", "kubectl logs -n istio-cni istio-cni-node-")
        self.shows(b, "#next-text", '"version":"v1.28.6"')
        b.click("#show-failing")
        self.assertEqual(b.run("return [...document.querySelectorAll('#grid button')].map(b => b.className)"), ["failing"])
        b.click("#grid button")
        self.shows(b, "#node", "new agent failing")
        b.click("#show-failing")
        self.sound(b, "failed-node")
        self.c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"version":"v1.28.6"}}')
        self.c.wait_ready()
        self.shows(b, "#state", "Ready")

    def test_5_an_api_server_that_is_away_and_a_dashboard_that_ends(self):
        b = self.browser
        self.c.api_down(2)
        self.shows(b, "#connection", "Live")
        self.c.wait_until(lambda: self.c.run("get", "nodes").returncode == 0, 20, "the API server is back")
        self.c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"values":{"cni":{"logging":{"level":"debug"}}}}}')
        self.c.wait_ready()
        self.shows(b, "#state", "Ready")
        b.wait(lambda: "debug" in json.dumps(self.c.get("istiocni", "default")["spec"]), 10, "the change is there")
        b.console()
        self.dashboard.terminate()
        self.dashboard.wait(20)
        self.assertEqual(self.dashboard.returncode, 0)
        self.shows(b, "#connection", "Not connected")


def kubeconfig_of(c, api, namespace, account):
    """A kubeconfig with the token of a service account, and the token."""
    token = token_of(api, namespace, account)
    config = json.load(open(c.kubeconfig))
    config["users"][0]["user"] = {"token": token}
    path = pathlib.Path(c.dir) / f"{account}.kubeconfig"
    path.write_text(json.dumps(config))
    return path, token


class OfTheOperator(Page):
    """At 5,000 nodes, with the operator's own rights and a viewer's."""
    NODES = int(os.environ.get("FAIRLEAD_VIEW_NODES", 5000))

    @classmethod
    def setUpClass(cls):
        cls.c = c = Cluster(nodes=0, args=["--simulated-nodes", str(cls.NODES)])
        cls.addClassCleanup(c.stop)
        c.apply_crds()
        c.kubectl("apply", "-f", str(ROOT / "config/manifests/operator.yaml"))
        api = Api(c.kubeconfig)
        config, _ = kubeconfig_of(c, api, "fairlead-system", "fairlead-operator")
        c.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "viewer", "namespace": "default"}})
        _, cls.token = kubeconfig_of(c, api, "default", "viewer")
        c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-cni"}})
        cls.log = open(os.path.join(c.dir, "operator.log"), "w")
        cls.operator = subprocess.Popen([str(BUILD / "fairlead-operator"), "--kubeconfig", str(config), "--leader-elect=false", "--namespace=fairlead-system", "--health-probe-bind-address=0",
                                         "--metrics-bind-address=0", "--view-bind-address=127.0.0.1:18090"], stdout=cls.log, stderr=cls.log)
        cls.addClassCleanup(cls.end)
        c.apply({"apiVersion": "sailoperator.io/v1", "kind": "IstioCNI", "metadata": {"name": "default"}, "spec": {"version": "v1.28.5", "namespace": "istio-cni", "rollout": {"maxSurge": "10%"}}})
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    @classmethod
    def end(cls):
        cls.operator.terminate()
        cls.operator.wait(20)
        cls.log.close()

    def log_in(self, token):
        b = self.browser
        b.open("http://127.0.0.1:18090/")
        b.run("document.querySelector('#token').value = arguments[0]; document.querySelector('form').submit()", token)

    def test_1_who_may_not_list_sees_nothing(self):
        b = self.browser
        b.wait(lambda: urllib.request.urlopen("http://127.0.0.1:18090/").status == 200, 20, "the view is served")
        b.open("http://127.0.0.1:18090/")
        self.sound(b, "login")
        self.log_in("no token")
        self.shows(b, "#why", "the API server does not know this token")
        self.log_in(self.token)
        self.shows(b, "#why", 'user "system:serviceaccount:default:viewer" may not list istiocnis.sailoperator.io')
        b.console()
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:18090/stream", headers={"Authorization": "Bearer " + self.token}))
        self.assertEqual(refused.exception.code, 403)

    def test_2_a_viewer_sees_every_node(self):
        b = self.browser
        self.c.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "viewer"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "fairlead-viewer"},
                      "subjects": [{"kind": "ServiceAccount", "name": "viewer", "namespace": "default"}]})
        self.log_in(self.token)
        self.shows(b, "#state", "Ready", 240)
        self.shows(b, "#legend", f"{self.NODES} serving")
        self.assertEqual(b.run("return document.querySelectorAll('#grid button').length"), self.NODES)
        self.sound(b, f"{self.NODES}-nodes")

    def test_3_an_update_of_every_node(self):
        b = self.browser
        self.c.kubectl("patch", "istiocni", "default", "--type=merge", "-p", '{"spec":{"version":"v1.28.6"}}')
        b.wait(lambda: b.run("const c = s => document.querySelectorAll('#grid button.' + s).length; return c('serving') > 0 && c('old') > 0"), 120, "some nodes are updated, some not yet")
        b.screenshot(SHOTS / f"view-{self.NODES}-nodes-update.png")
        self.shows(b, "#state", "Ready", 240)
        self.shows(b, "#legend", f"{self.NODES} serving")
        self.assertEqual(b.console(), [])


if __name__ == "__main__":
    unittest.main()
