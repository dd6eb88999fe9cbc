// The CNI project's own tool and library, which call plugins as runtimes do.
module fairlead.dev/tests/cni

go 1.24.0

tool github.com/containernetworking/cni/cnitool

require github.com/containernetworking/cni v1.3.0 // indirect
