# Third-party packages. Everything CUDA is headers only at build time: the driver, NVRTC and the rest are
# opened at run time, so one binary starts with and without them.
if(QOQ_STATIC)
  set(Boost_USE_STATIC_LIBS ON)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)
endif()

find_package(Threads REQUIRED)
find_package(Boost 1.74 REQUIRED COMPONENTS program_options context)
find_package(yaml-cpp REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(SQLiteCpp REQUIRED)
if(QOQ_TESTS)
  find_package(GTest REQUIRED)
  find_package(benchmark REQUIRED)
endif()

# CUDA headers: an installed toolkit, else the vendor's wheels unpacked into .deps/cuda, else none
# (the project still builds; NVRTC and GPU steps are then skipped aloud).
find_path(QOQ_CUDA_INCLUDE nvrtc.h
  HINTS ENV CUDA_HOME ENV CUDA_PATH
  PATHS /usr/local/cuda ${CMAKE_SOURCE_DIR}/.deps/cuda
  PATH_SUFFIXES include)
add_library(qoq_cuda_headers INTERFACE)
if(QOQ_CUDA_INCLUDE)
  target_include_directories(qoq_cuda_headers SYSTEM INTERFACE ${QOQ_CUDA_INCLUDE})
  target_compile_definitions(qoq_cuda_headers INTERFACE QOQ_HAS_CUDA_HEADERS=1)
endif()
message(STATUS "CUDA headers: ${QOQ_CUDA_INCLUDE}")
