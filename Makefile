# make tune    install what is missing, build, run the main job into results/demo/
# make test    install what is missing, build, run every test that this machine can run
# make bench · asan · lint · format · portable · clean
#
# QOQ_CUDA=auto|installed|wheels|none says which CUDA to use (auto: an installed toolkit, else PyPI's wheels).
QOQ_CUDA ?= auto
JOB      ?= configs/llama-3-8b.yaml
OUT      ?= results/demo
QOQTUNE   = build/default/autotune/cli/qoqtune

.DEFAULT_GOAL := help
.PHONY: help tune test bench asan lint format portable clean install build

help:
	@sed -n '1,5s/^# //p' Makefile

# ---- the main job: these are the program's own command lines --------------------------------------------------------
tune: build
	mkdir -p $(OUT)
	$(QOQTUNE) tune $(JOB) --db $(OUT)/tune.db
	$(QOQTUNE) report --db $(OUT)/tune.db --out $(OUT)
	$(QOQTUNE) select --db $(OUT)/tune.db --out $(OUT)/selection.json
# ---------------------------------------------------------------------------------------------------------------------

install:
	@tools/install_packages build
	@tools/fetch_cuda $(QOQ_CUDA)

build: install
	@cmake --preset default -DQOQ_CUDA=$(QOQ_CUDA) -Wno-dev --log-level=WARNING >/dev/null
	cmake --build --preset default

test: build
	@tools/run_tests default

bench: build
	cmake --build --preset default --target benches
	@for program in $$(find build/default/tests/bench -type f -name '*_bench' -perm -u+x | sort); do \
	  echo "== $$program"; $$program || exit 1; done

asan: install
	@cmake --preset asan -DQOQ_CUDA=$(QOQ_CUDA) -Wno-dev --log-level=WARNING >/dev/null
	cmake --build --preset asan --target unit_tests
	@tools/run_tests asan

portable: install
	@cmake --preset portable -DQOQ_CUDA=$(QOQ_CUDA) -Wno-dev --log-level=WARNING >/dev/null
	cmake --build --preset portable --target qoqtune gpu_tests
	@! ldd build/portable/autotune/cli/qoqtune | grep -vE 'linux-vdso|ld-linux|lib(c|m|dl|rt|pthread)\.so' || \
	  { echo "portable: the libraries above are not linked in" >&2; exit 1; }
	@echo "one file: build/portable/autotune/cli/qoqtune; GPU tests: $$(find build/portable/tests -type f -name '*_gpu_*test' | tr '\n' ' ')"

# LINT=all: clang-tidy over every file, not only the changed ones
lint: build
	tools/lint format
	tools/lint tidy $(LINT)

format:
	@tools/install_packages lint
	git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cpp' '*.cuh' | xargs -0 -r clang-format-14 -i

clean:
	rm -rf build
