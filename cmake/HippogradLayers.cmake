# One OBJECT library per layer, all in one shared library. Not static archives: a linker drops from an archive every
# object that nobody names, and ops and kernels are found by their registration alone.
set(HIPPOGRAD_LAYERS tensor autograd nn ssm vlm)
set(tensor_sources   tensor/*.cpp tensor/cpu/*.cpp)
set(autograd_sources autograd/*.cpp autograd/ops/*.cpp)
set(nn_sources       nn/*.cpp)
set(ssm_sources      ssm/*.cpp ssm/ops/*.cpp)
set(vlm_sources      vlm/*.cpp)

# hippograd_exports(target map): the target shows only the names that cmake/MAP lists; nothing of a static library.
function(hippograd_exports target map)
  target_link_options(${target} PRIVATE
    -Wl,--exclude-libs,ALL "-Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/${map}")
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/${map}")
endfunction()

add_library(hippograd SHARED)
add_library(hippograd::hippograd ALIAS hippograd)

foreach(layer IN LISTS HIPPOGRAD_LAYERS)
  list(TRANSFORM ${layer}_sources PREPEND "${PROJECT_SOURCE_DIR}/" OUTPUT_VARIABLE patterns)
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  if(sources)
    add_library(hippograd_${layer} OBJECT ${sources})
    target_include_directories(hippograd_${layer} PRIVATE "${PROJECT_SOURCE_DIR}")
    target_link_libraries(hippograd_${layer} PRIVATE
      hippograd_flags fmt::fmt OpenMP::OpenMP_CXX nlohmann_json::nlohmann_json PNG::PNG ZLIB::ZLIB)
    target_sources(hippograd PRIVATE $<TARGET_OBJECTS:hippograd_${layer}>)
  endif()
endforeach()
# Loops over functors vectorise only if sqrt need not set errno and a comparison need not trap. No result changes.
set(pointwise_loops dropout optim random reduce)
list(TRANSFORM pointwise_loops REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/tensor/cpu/\\1.cpp")
file(GLOB elementwise_loops "${PROJECT_SOURCE_DIR}/tensor/cpu/elementwise*.cpp")
list(APPEND pointwise_loops ${elementwise_loops})
set_source_files_properties(${pointwise_loops} PROPERTIES COMPILE_OPTIONS "-fno-math-errno;-fno-trapping-math")
target_link_libraries(hippograd_tensor PRIVATE Eigen3::Eigen)   # used in tensor/cpu/ only: tools/check_layers.py
# Threads are those of tensor/parallel.h alone: with OpenMP's, Eigen would start a team of its own within each of our tasks.
file(GLOB eigen_files "${PROJECT_SOURCE_DIR}/tensor/cpu/gemm_eigen.cpp" "${PROJECT_SOURCE_DIR}/tensor/cpu/linalg*.cpp"
     "${PROJECT_SOURCE_DIR}/tensor/cpu/moments.cpp")
set_source_files_properties(${eigen_files} PROPERTIES COMPILE_DEFINITIONS EIGEN_DONT_PARALLELIZE)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")   # GCC 12 warns of its own AVX-512 header wherever Eigen is inlined, hundreds of times
  set_property(SOURCE ${eigen_files} APPEND PROPERTY COMPILE_OPTIONS -Wno-uninitialized -Wno-maybe-uninitialized)
endif()

target_include_directories(hippograd PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/hippograd>)
target_compile_features(hippograd PUBLIC cxx_std_20)
target_link_libraries(hippograd PRIVATE
  $<BUILD_INTERFACE:hippograd_flags> fmt::fmt OpenMP::OpenMP_CXX PNG::PNG ZLIB::ZLIB Threads::Threads ${CMAKE_DL_LIBS})
hippograd_exports(hippograd exports_core.map)
if(NOT HIPPOGRAD_SANITIZE)                                  # the run time of sanitizers is found in the program
  target_link_options(hippograd PRIVATE -Wl,--no-undefined)
endif()
# It lies beside the Python extension, so that build/python is importable as it is. No SOVERSION: wheels hold no
# links, and three names would mean three copies.
set(HIPPOGRAD_PYTHON_DIR "${PROJECT_BINARY_DIR}/python/hippograd")
set_target_properties(hippograd PROPERTIES
  LIBRARY_OUTPUT_DIRECTORY "${HIPPOGRAD_PYTHON_DIR}" BUILD_RPATH_USE_ORIGIN ON INSTALL_RPATH "$ORIGIN")

# The facts about this build. The file is compiled for the oldest processor, since it must run on any.
string(REPLACE ";" " " isa_text "${HIPPOGRAD_ISA}")
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
set_source_files_properties("${PROJECT_SOURCE_DIR}/tensor/build_info.cpp" PROPERTIES
  COMPILE_OPTIONS "$<$<BOOL:${HIPPOGRAD_ISA}>:-march=x86-64>"
  COMPILE_DEFINITIONS "HIPPOGRAD_VERSION=\"${PROJECT_VERSION}\";HIPPOGRAD_ISA=\"${isa_text}\";\
HIPPOGRAD_BUILD_TYPE=\"${CMAKE_BUILD_TYPE}\";HIPPOGRAD_SANITIZERS=\"${HIPPOGRAD_SANITIZE}\";\
HIPPOGRAD_COMPILER=\"${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}\"")
