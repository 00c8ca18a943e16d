# Options and the flags that every target shares (target hippograd_flags).

option(HIPPOGRAD_NATIVE "Compile for this machine's processor (-march=native); OFF: HIPPOGRAD_MARCH decides" ON)
set(HIPPOGRAD_MARCH "x86-64-v3" CACHE STRING "-march= when HIPPOGRAD_NATIVE is OFF; empty: the compiler's default")
set(HIPPOGRAD_CUDA "AUTO" CACHE STRING "CUDA plugin: AUTO (if a toolkit is found), ON (required), OFF")
set(HIPPOGRAD_PYTHON "AUTO" CACHE STRING "Python extension: AUTO (if pybind11 is found), ON (required), OFF")
set(HIPPOGRAD_BENCH "AUTO" CACHE STRING "Benchmarks: AUTO (if Google Benchmark is found), ON (required), OFF")
set(HIPPOGRAD_SANITIZE "" CACHE STRING "Sanitizers, comma separated: address,undefined or thread; empty: none")
set(HIPPOGRAD_DEPS "" CACHE PATH "Folder with the dependencies' headers, for machines without their packages")
option(HIPPOGRAD_TESTS "Build the C++ tests" ${PROJECT_IS_TOP_LEVEL})
option(HIPPOGRAD_WERROR "Warnings are errors" OFF)
foreach(name CUDA PYTHON BENCH)
  set_property(CACHE HIPPOGRAD_${name} PROPERTY STRINGS AUTO ON OFF)
endforeach()

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, RelWithDebInfo or Debug" FORCE)
endif()
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)   # OBJECT libraries end in a shared one
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)      # a new libhippograd.so does not link every test again

# -O3 gains nothing here and costs up to 30 % more compile time; Debug keeps -O1, or the numeric tests crawl.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")

# Which processor. The features compiled in are recorded (tensor/build_info.cpp, hippograd/_build.py) and checked
# when the library is loaded: a clear message instead of "Illegal instruction" on an older machine.
set(HIPPOGRAD_MARCH_FLAG "")
if(HIPPOGRAD_NATIVE)
  set(HIPPOGRAD_MARCH_FLAG -march=native)
elseif(HIPPOGRAD_MARCH)
  set(HIPPOGRAD_MARCH_FLAG -march=${HIPPOGRAD_MARCH})
endif()
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  if(NOT HIPPOGRAD_NATIVE)
    set(HIPPOGRAD_MARCH_FLAG "")
  endif()
endif()
set(HIPPOGRAD_ISA "")
execute_process(COMMAND ${CMAKE_CXX_COMPILER} ${HIPPOGRAD_MARCH_FLAG} -dM -E -x c++ /dev/null
                OUTPUT_VARIABLE predefined_macros ERROR_VARIABLE macro_error RESULT_VARIABLE macro_status)
if(NOT macro_status EQUAL 0)
  message(FATAL_ERROR "${CMAKE_CXX_COMPILER} refuses ${HIPPOGRAD_MARCH_FLAG}: ${macro_error}")
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  foreach(feature sse4.2 avx avx2 fma bmi bmi2 avx512f avx512cd avx512dq avx512bw avx512vl avx512ifma avx512vbmi
                  avx512vnni avx512bf16)
    string(TOUPPER "__${feature}__" macro)
    string(REPLACE "." "_" macro "${macro}")
    if(predefined_macros MATCHES "#define ${macro} 1")
      list(APPEND HIPPOGRAD_ISA ${feature})
    endif()
  endforeach()
endif()

add_library(hippograd_flags INTERFACE)
target_compile_features(hippograd_flags INTERFACE cxx_std_20)
target_compile_options(hippograd_flags INTERFACE
  -Wall -Wextra ${HIPPOGRAD_MARCH_FLAG}
  -ffp-contract=fast   # stated, not left to the compiler's default: the same rounding in every build
  $<$<CXX_COMPILER_ID:GNU>:-fconcepts-diagnostics-depth=2>)   # or the word `samples` is cut from a concept error
if(HIPPOGRAD_WERROR)
  target_compile_options(hippograd_flags INTERFACE -Werror)
endif()

# The three checks left out each cost half as much again in compile time of Eigen files, and find what ASan finds.
if(HIPPOGRAD_SANITIZE)
  set(sanitize_flags -fsanitize=${HIPPOGRAD_SANITIZE} -O1 -g1 -fno-omit-frame-pointer)
  if(HIPPOGRAD_SANITIZE MATCHES "undefined")
    list(APPEND sanitize_flags -fno-sanitize=null,alignment,pointer-overflow -fno-sanitize-recover=undefined)
  endif()
  # No stack frames on the heap (on by default from g++ 13): they are not aligned to the 64 bytes that AVX-512 code expects,
  # and sound programs crash.
  if(HIPPOGRAD_SANITIZE MATCHES "address" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND sanitize_flags --param=asan-use-after-return=0)
  elseif(HIPPOGRAD_SANITIZE MATCHES "address" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 14)
    list(APPEND sanitize_flags -fsanitize-address-use-after-return=never)
  endif()
  target_compile_options(hippograd_flags INTERFACE ${sanitize_flags})
  target_link_options(hippograd_flags INTERFACE -fsanitize=${HIPPOGRAD_SANITIZE})
endif()

# wanted(NAME found_variable): turns AUTO | ON | OFF and "is it there" into HIPPOGRAD_HAVE_<NAME>, with one line.
macro(hippograd_decide name found what remedy)
  set(HIPPOGRAD_HAVE_${name} OFF)
  if(HIPPOGRAD_${name} STREQUAL "AUTO" OR HIPPOGRAD_${name})
    if(${found})
      set(HIPPOGRAD_HAVE_${name} ON)
    elseif(HIPPOGRAD_${name} STREQUAL "AUTO")
      message(STATUS "${what}: not found, skipped (${remedy})")
    else()
      message(FATAL_ERROR "HIPPOGRAD_${name}=${HIPPOGRAD_${name}}, but ${what} was not found: ${remedy}")
    endif()
  endif()
endmacro()
