# The front door. Every target says what it does and calls the build or a script for it.
PRESET ?= release
BUILD := build/$(PRESET)
PACKAGES := g++ cmake ninja-build ccache pkg-config python3 libboost-dev libcurl4-openssl-dev libssl-dev nlohmann-json3-dev \
            libyaml-cpp-dev libnftables-dev libcli11-dev prometheus-cpp-dev libgtest-dev containernetworking-plugins nftables iproute2

.PHONY: help demo test unit e2e build deps format generate clean
help:
	@echo "make demo    update the Istio CNI on an embedded three-node cluster, under traffic, and show what that did"
	@echo "make test    build, then run every test (as root: the tests make network namespaces)"
	@echo "make build   build the programs into $(BUILD)"
	@echo "make format  format the C++ sources with clang-format"
	@echo "make generate  write CRDs, the installation manifest and the OLM bundle again"

# Installs what is missing, and says so. Nothing happens on a machine that has everything.
deps:
	@missing=""; for p in $(PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q "install ok installed" || missing="$$missing $$p"; done; \
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

test: build
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/run.py

unit: build
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/run.py unit netns

e2e: build
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tests/run.py e2e

format:
	clang-format -i $$(git ls-files 'src/*.cc' 'src/*.h')

generate: build
	python3 tools/generate_crds.py
	@FAIRLEAD_BUILD=$(CURDIR)/$(BUILD) python3 tools/generate_manifests.py

clean:
	rm -rf build
