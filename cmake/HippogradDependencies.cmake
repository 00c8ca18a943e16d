# Everything comes from the system's packages, or from the folder HIPPOGRAD_DEPS; nothing is downloaded.
if(HIPPOGRAD_DEPS)
  list(PREPEND CMAKE_PREFIX_PATH "${HIPPOGRAD_DEPS}")
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 11)
  message(FATAL_ERROR "hippograd needs g++ 11 or newer (C++20), found ${CMAKE_CXX_COMPILER_VERSION}")
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  message(FATAL_ERROR "hippograd needs clang 14 or newer (C++20), found ${CMAKE_CXX_COMPILER_VERSION}")
endif()

# hippograd_need(package target apt-package job): finds it or stops with the line to type.
macro(hippograd_need package target apt job)
  find_package(${package} ${ARGN} QUIET)
  if(NOT TARGET ${target})
    message(FATAL_ERROR "${package} is missing (${job}). Debian, Ubuntu: apt-get install ${apt}")
  endif()
endmacro()

set(THREADS_PREFER_PTHREAD_FLAG ON)
hippograd_need(Threads Threads::Threads g++ "data loading")
hippograd_need(OpenMP OpenMP::OpenMP_CXX "g++ (clang: libomp-dev)" "parallel kernels")
hippograd_need(Eigen3 Eigen3::Eigen libeigen3-dev "matrix products and SIMD maths")
hippograd_need(fmt fmt::fmt libfmt-dev "error messages and printing")
hippograd_need(PNG PNG::PNG libpng-dev "reading pictures")
hippograd_need(ZLIB ZLIB::ZLIB zlib1g-dev "reading .npz archives")
hippograd_need(nlohmann_json nlohmann_json::nlohmann_json nlohmann-json3-dev "headers of tensor files")

# CUDA is a plugin of its own (folder cuda/); the core never sees it.
set(cuda_toolkit_found OFF)
if(NOT HIPPOGRAD_CUDA STREQUAL "OFF" AND NOT HIPPOGRAD_SANITIZE)
  include(HippogradCuda)
endif()
hippograd_decide(CUDA cuda_toolkit_found "CUDA toolkit" "the package will run on the CPU only")
