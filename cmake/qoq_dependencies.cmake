# Third-party packages. Everything CUDA is headers only at build time: the driver, NVRTC and the rest are
# opened at run time, so one binary starts with and without them.
include(qoq_find_cuda)

find_program(QOQ_CCACHE ccache)
if(QOQ_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${QOQ_CCACHE})
endif()

find_package(Threads REQUIRED)
if(QOQ_STATIC)
  # Debian ships no static fmt and spdlog: there they are used as headers. GNU's C++ runtime goes in too; glibc stays
  # shared, because the CUDA libraries are opened at run time.
  set(Boost_USE_STATIC_LIBS ON)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
  add_link_options(-static-libstdc++ -static-libgcc)
  add_library(qoq_old_glibc OBJECT ${CMAKE_SOURCE_DIR}/cmake/old_glibc.c)
  link_libraries($<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:$<TARGET_OBJECTS:qoq_old_glibc>>)
  add_library(fmt::fmt INTERFACE IMPORTED GLOBAL)
  target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY=1)
  add_library(spdlog::spdlog INTERFACE IMPORTED GLOBAL)
  target_compile_definitions(spdlog::spdlog INTERFACE SPDLOG_FMT_EXTERNAL)
  target_link_libraries(spdlog::spdlog INTERFACE fmt::fmt Threads::Threads)
  find_library(QOQ_YAML_CPP yaml-cpp REQUIRED)
  find_path(QOQ_YAML_CPP_INCLUDE yaml-cpp/yaml.h REQUIRED)
  add_library(yaml-cpp STATIC IMPORTED GLOBAL)
  set_target_properties(yaml-cpp PROPERTIES IMPORTED_LOCATION ${QOQ_YAML_CPP}
    INTERFACE_INCLUDE_DIRECTORIES ${QOQ_YAML_CPP_INCLUDE})
else()
  find_package(fmt REQUIRED)
  find_package(spdlog REQUIRED)
  find_package(yaml-cpp REQUIRED)
endif()
find_package(Boost 1.74 REQUIRED COMPONENTS program_options context)
find_package(nlohmann_json REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(SQLiteCpp REQUIRED)
if(QOQ_TESTS)
  find_package(GTest REQUIRED)
  find_package(benchmark REQUIRED)
endif()

# CUDA headers: an installed toolkit, else the vendor's wheels unpacked into .deps/cuda (tools/fetch_cuda), else none:
# the project still builds; NVRTC and GPU steps are then skipped aloud.
set(QOQ_CUDA auto CACHE STRING "auto, installed, wheels or none")
qoq_find_cuda(${QOQ_CUDA} QOQ_CUDA)
add_library(qoq_cuda_headers INTERFACE)
if(NOT QOQ_CUDA_KIND STREQUAL none)
  target_include_directories(qoq_cuda_headers SYSTEM INTERFACE ${QOQ_CUDA_FOLDER}/include)
  target_compile_definitions(qoq_cuda_headers INTERFACE QOQ_HAS_CUDA_HEADERS=1)
  if(NOT QOQ_STATIC) # a binary that travels must not remember this machine's folders
    target_compile_definitions(qoq_cuda_headers INTERFACE QOQ_CUDA_LIBRARY_DIR="${QOQ_CUDA_LIBRARIES}")
  endif()
  message(STATUS "CUDA ${QOQ_CUDA_VERSION} (${QOQ_CUDA_KIND}): ${QOQ_CUDA_FOLDER}")
elseif(QOQ_CUDA MATCHES "^(installed|wheels)$")
  message(FATAL_ERROR "QOQ_CUDA=${QOQ_CUDA}: there is none (12.8 or later); tools/fetch_cuda wheels fetches the wheels")
else()
  message(STATUS "CUDA: none (QOQ_CUDA=${QOQ_CUDA}); NVRTC and GPU steps will be skipped")
endif()
