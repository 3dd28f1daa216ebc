# One folder, one target.

add_library(qoq_flags INTERFACE)
target_include_directories(qoq_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(qoq_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wno-unknown-pragmas -ffp-contract=off
  $<$<BOOL:${QOQ_WERROR}>:-Werror>)

# qoq_library(NAME SOURCES file... DEPENDS target...)
function(qoq_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC qoq_flags ${ARG_DEPENDS})
endfunction()

# qoq_test(NAME SOURCES file... DEPENDS target... LABELS unit|emulator|gpu): one GoogleTest program.
# Built as part of <label>_tests too. Every TEST becomes its own ctest entry; a test that cannot run here says why through GTEST_SKIP.
function(qoq_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE qoq_flags ${ARG_DEPENDS} GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE QOQ_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  gtest_discover_tests(${name} PROPERTIES LABELS "${ARG_LABELS}" SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]"
    DISCOVERY_MODE PRE_TEST TIMEOUT 600)
  foreach(label IN LISTS ARG_LABELS)
    if(NOT TARGET ${label}_tests)
      add_custom_target(${label}_tests)
    endif()
    add_dependencies(${label}_tests ${name})
  endforeach()
endfunction()

# qoq_bench(NAME_bench SOURCES file... DEPENDS target...): one Google Benchmark program, built and run by `make bench`.
function(qoq_bench name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} EXCLUDE_FROM_ALL ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE qoq_flags ${ARG_DEPENDS} benchmark::benchmark_main)
  target_compile_definitions(${name} PRIVATE QOQ_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_dependencies(benches ${name})
endfunction()

# qoq_embed(TARGET SYMBOL file...): compiles the files' text into TARGET as
#   namespace qoq::embedded { extern const std::span<const File> SYMBOL; }   (kernels/base/embedded.h)
# Paths are relative to the source root.
function(qoq_embed target symbol)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.cpp)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DSYMBOL=${symbol} -DROOT=${CMAKE_SOURCE_DIR} "-DFILES=${ARGN}"
            -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${ARGN} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()

if(QOQ_TESTS)
  include(GoogleTest)
  add_custom_target(benches)
endif()
