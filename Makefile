# The front door. Every target says what it does and calls the build or a script for it.
PRESET ?= release
BUILD := build/$(PRESET)
PACKAGES := g++ cmake ninja-build ccache pkg-config python3 libboost-dev libssl-dev nlohmann-json3-dev \
            libyaml-dev zlib1g-dev libutf8proc-dev libre2-dev libnftables-dev libcli11-dev prometheus-cpp-dev libprotobuf-dev protobuf-compiler libgtest-dev containernetworking-plugins nftables iptables iproute2 tmux dpkg-dev

KUBECTL := $(if $(shell command -v kubectl),,kubernetes-client)
FUZZ_PACKAGES := clang-19 libclang-rt-19-dev llvm-19
FUZZ_SECONDS ?= 60
K8S_PACKAGES := etcd-server containerd runc buildah openssl util-linux binutils
BROWSER_PACKAGES := chromium chromium-driver fonts-dejavu-core
IMAGE_VERSIONS ?= 1.28.5,1.28.6

.PHONY: help demo test test-deps unit unit-build e2e browser browser-deps bare bare-deps k8s k8s-deps k8s-programs k8s-up k8s-down bench fuzz fuzz-build fuzz-deps images build install deb archive deps format generate clean
help:
	@echo "make demo    update the Istio CNI on an embedded three-node cluster, under traffic, and show what that did"
	@echo "make test    build, then run every test (as root: the tests make network namespaces)"
	@echo "make browser run the tests of the live view in Chromium (needs npm's registry for an accessibility checker)"
	@echo "make bare    carry out the README on a bare Debian 12 in a directory of its own, and say how long it took (BARE='make test': and that)"
	@echo "make k8s     run the tests on real Kubernetes, three nodes on this machine (needs root, Go and its module proxy)"
	@echo "make k8s-up  start that cluster to try things on, and print its kubeconfig; make k8s-down ends it"
	@echo "make images  build the container images into build/images-oci (IMAGE_VERSIONS=1.28.5,1.28.6)"
	@echo "make bench   measure: charts beside Helm; plugin, ADD, memory and restart of an agent, and the operator at 5,000 nodes, on the lab; pod start and API requests on that cluster"
	@echo "make fuzz    run the fuzzers with clang's libFuzzer, a minute each (FUZZ_SECONDS=600 FUZZERS='yaml parser')"
	@echo "make build   build the programs into $(BUILD)"
	@echo "make format  format the C++ sources with clang-format"
	@echo "make install  install the command line and the lab (PREFIX, DESTDIR); make deb  a Debian package of them; make archive  the sources"
	@echo "make generate  write CRDs, the installation manifest, the OLM bundle, the dashboard, the reference and the list of messages again"

# Installs what is missing, and says so. Nothing happens on a machine that has everything.
deps: DEPS := $(PACKAGES)
k8s-deps: DEPS := $(PACKAGES) $(KUBECTL) $(K8S_PACKAGES)
fuzz-deps: DEPS := $(PACKAGES) $(FUZZ_PACKAGES)
browser-deps: DEPS := $(PACKAGES) $(KUBECTL) $(BROWSER_PACKAGES)
test-deps: DEPS := $(PACKAGES) $(KUBECTL)
bare-deps: DEPS := debootstrap python3 util-linux
deps test-deps k8s-deps fuzz-deps browser-deps bare-deps:
	@missing=""; for p in $(DEPS); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q "install ok installed" || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  echo "Installing Debian packages:$$missing"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >build-deps.log 2>&1 || { cat build-deps.log; exit 1; }; \
	  rm -f build-deps.log; \
	fi

build: deps
	@echo "Building ($(PRESET)) into $(BUILD)"
	@cmake --preset $(PRESET) >/dev/null
	@ninja -C $(BUILD) -j2 --quiet

demo: build
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/e2e/demo.py

test: test-deps build
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/run.py

# FAIRLEAD_UNIT="agent kube": those alone. With sanitizers the test programs alone; the tree is checked once, with the ordinary build.
unit: unit-build
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/run.py $(if $(filter release,$(PRESET)),unit) netns

unit-build: deps
	@echo "Building ($(PRESET)) into $(BUILD)"
	@cmake --preset $(PRESET) >/dev/null
	@ninja -C $(BUILD) -j2 --quiet $(if $(filter release,$(PRESET)),all,$(if $(FAIRLEAD_UNIT),$(addsuffix _test,$(FAIRLEAD_UNIT)),unit-tests))

e2e: test-deps build
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/run.py e2e

browser: browser-deps build
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/run.py browser

bare: bare-deps
	@python3 tests/bare.py $(if $(BARE),"$(BARE)")

k8s: k8s-deps build
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/run.py k8s

# The programs from Go modules alone: minutes of work the first time, which can be done beside something else.
k8s-programs: k8s-deps
	@python3 tests/k8s/build.py

k8s-up: k8s-deps build
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/k8s/kube_cluster.py up

k8s-down:
	@python3 tests/k8s/kube_cluster.py down

bench: k8s-deps build
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/bench/charts.py
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/bench/dataplane.py
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/bench/scale.py
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/bench/view.py
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/bench/kubernetes.py

fuzz: fuzz-build
	@python3 tests/fuzz/run.py --seconds $(FUZZ_SECONDS) $(FUZZERS)

fuzz-build: fuzz-deps
	@echo "Building the fuzzers into build/fuzz"
	@cmake --preset fuzz >/dev/null
	@ninja -C build/fuzz -j2 --quiet $(if $(FUZZERS),$(addprefix fuzz_,$(FUZZERS)),fuzzers)

images: k8s-deps
	@python3 tools/build_images.py --versions $(IMAGE_VERSIONS)

format:
	clang-format -i $$(git ls-files 'src/*.cc' 'src/*.h')

# The command line and the lab: PREFIX is where to, DESTDIR what goes before that.
PREFIX ?= /usr/local
install: build
	@cmake --install $(BUILD) --prefix $(PREFIX)

deb: build
	@cd $(BUILD) && cpack -G DEB -D CPACK_OUTPUT_FILE_PREFIX=$(CURDIR)/build

# The same bytes for the same commit.
ARCHIVE ?= build/fairlead-$(shell cat VERSION).tar.gz
archive:
	@git archive --format=tar --prefix=fairlead-$(shell cat VERSION)/ HEAD | gzip -9 -n > $(ARCHIVE)

generate: build
	python3 tools/generate_crds.py
	python3 tools/generate_dashboard.py
	python3 tools/list_messages.py
	python3 tools/list_reference.py
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tools/generate_manifests.py

clean:
	rm -rf build
