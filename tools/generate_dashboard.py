#!/usr/bin/env python3
"""Writes config/monitoring/dashboard.json, for Grafana 9 and later; --check says whether it is up to date."""
import json
import pathlib

import generated

PATH = pathlib.Path(__file__).resolve().parent.parent / "config/monitoring/dashboard.json"
PANELS = [  # title, kind, what is shown, width of 24, [(expression, legend)]
    ("Update", "stat", "Nodes by state", 6, [('fairlead_istiocni_nodes{state="desired"}', "desired"), ('fairlead_istiocni_nodes{state="updated"}', "updated"), ('fairlead_istiocni_nodes{state="ready"}', "ready")]),
    ("Conditions that are not True", "table", "Of every resource", 9, [("fairlead_condition == 0", "{{kind}}/{{name}} {{type}}")]),
    ("Control planes that the CNI does not serve", "table", "Must be none", 9, [("fairlead_control_plane_skew == 1", "{{kind}}/{{name}}")]),
    ("Pods without working rules", "timeseries", "Must be none", 8, [("fairlead_agent_broken_pods > 0", "{{instance}}")]),
    ("Rules put right", "timeseries", "Something else changes pods' tables", 8, [("increase(fairlead_agent_drift_repaired_total[5m])", "{{instance}}")]),
    ("Plugin requests that failed", "timeseries", "Pods that could not start", 8, [('increase(istio_cni_plugin_requests_total{response_code="500"}[5m])', "{{instance}}")]),
    ("Pods that the agents keep", "timeseries", "By state", 12, [("sum by (state) (fairlead_agent_pods)", "{{state}}")]),
    ("Time of a pod's ADD, 99th percentile", "timeseries", "Seconds", 12, [('histogram_quantile(0.99, sum by (le) (rate(fairlead_agent_request_seconds_bucket{command="ADD"}[5m])))', "ADD")]),
    ("ztunnels connected", "timeseries", "One a node in ambient mode", 8, [("ztunnel_connected", "{{instance}}")]),
    ("Requests to the API server that failed", "timeseries", "By status", 8, [('sum by (code) (increase(rest_client_requests_total{code!~"2.."}[5m]))', "{{code}}")]),
    ("Reconciles", "timeseries", "By controller", 8, [("sum by (controller) (rate(controller_runtime_reconcile_total[5m]))", "{{controller}}")]),
]


def dashboard():
    panels, x, y = [], 0, 0
    for i, (title, kind, description, width, queries) in enumerate(PANELS):
        if x + width > 24:
            x, y = 0, y + 8
        panel = {"id": i + 1, "title": title, "description": description, "type": kind, "gridPos": {"x": x, "y": y, "w": width, "h": 8}, "datasource": {"type": "prometheus", "uid": "${datasource}"},
                 "targets": [{"refId": chr(65 + n), "expr": expr, "legendFormat": legend, "instant": kind != "timeseries"} for n, (expr, legend) in enumerate(queries)]}
        panels.append(panel)
        x += width
    return {"title": "Fairlead", "uid": "fairlead", "schemaVersion": 37, "tags": ["istio", "cni"], "time": {"from": "now-3h", "to": "now"}, "refresh": "30s", "panels": panels,
            "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]}}


if __name__ == "__main__":
    generated.write(PATH, json.dumps(dashboard(), indent=1) + "\n")
