module fairlead.dev/tests/helm/cases

go 1.24.0
