"""The recorded answers that the lab is compared with are those of the API server of today."""
import json
import sys
import unittest

import fixture
from client import ROOT

sys.path.insert(0, str(ROOT / "tests/conformance/api"))
import replay  # noqa: E402

# What depends on who else is at work in the cluster.
BUSY = [{"case": "*", "path": "body*status*"}, {"case": "*", "path": "body*managedFields*"}, {"case": "pod/*", "path": "body*"}, {"case": "resourcequota/*", "path": "body*"},
        {"case": "watch/*", "path": "body*"}, {"case": "deployment/*", "path": "body*"}]


class RecordedAnswers(unittest.TestCase):
    def test_the_recorded_answers_are_those_of_a_real_api_server(self):
        c = fixture.cluster()
        c.kubectl("delete", "istiocni", "default", "--ignore-not-found")
        c.kubectl("delete", "namespace", "fairlead-system", "--ignore-not-found")
        c.apply_crds()
        c.kubectl("delete", "istiocni,istiorevision", "--all")
        have = replay.record(c.kubeconfig)
        found = [d for d in replay.compare(json.loads(replay.RECORDED.read_text()), have) if not replay.explained(d[0], d[1], BUSY)]
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
