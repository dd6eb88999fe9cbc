"""The lab answers as a real API server does: the same requests, field by field, but for a list of differences with reasons."""
import json
import sys
import unittest

from client import ROOT
from cluster import Cluster

sys.path.insert(0, str(ROOT / "tests/conformance/api"))
import replay  # noqa: E402


class ApiConformance(unittest.TestCase):
    def test_the_lab_answers_like_the_recorded_api_server(self):
        with Cluster() as c:
            c.apply_crds()
            have = replay.record(c.kubeconfig)
        want = json.loads(replay.RECORDED.read_text())
        listed = json.loads(replay.DIFFERENCES.read_text())["differences"]
        found = list(replay.compare(want, have))
        unexplained = [d for d in found if not replay.explained(d[0], d[1], listed)]
        used = {json.dumps(replay.explained(d[0], d[1], listed)) for d in found}
        print(f"      {len(have)} requests, {len(found)} differing fields, all of them of {len(listed)} listed kinds" if not unexplained else "")
        self.assertEqual(unexplained, [])
        self.assertEqual([d for d in listed if json.dumps(d) not in used and not d.get("sometimes")], [], "no difference is listed that is none any more")


if __name__ == "__main__":
    unittest.main()
