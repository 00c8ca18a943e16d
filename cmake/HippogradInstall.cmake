# `pip install .` puts core, extension and _build.py into the package; a plain `cmake --install` gives a C++ library
# that find_package(hippograd) finds, with headers under include/hippograd.
if(SKBUILD)
  install(TARGETS hippograd LIBRARY DESTINATION hippograd)
  install(FILES "${HIPPOGRAD_PYTHON_DIR}/_build.py" DESTINATION hippograd)
  if(TARGET _C)
    install(TARGETS _C LIBRARY DESTINATION hippograd)
    if(TARGET stubs)
      install(FILES "${HIPPOGRAD_PYTHON_DIR}/_C.pyi" DESTINATION hippograd)
    endif()
  endif()
  return()
endif()

include(CMakePackageConfigHelpers)
install(TARGETS hippograd EXPORT hippogradTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
foreach(layer IN LISTS HIPPOGRAD_LAYERS)
  if(IS_DIRECTORY "${PROJECT_SOURCE_DIR}/${layer}")
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/${layer}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/hippograd"
            FILES_MATCHING PATTERN "*.h" PATTERN "cpu" EXCLUDE)
  endif()
endforeach()
set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/hippograd")
install(EXPORT hippogradTargets NAMESPACE hippograd:: DESTINATION "${config_dir}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/hippogradConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/hippogradConfig.cmake" INSTALL_DESTINATION "${config_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/hippogradConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/hippogradConfig.cmake" "${PROJECT_BINARY_DIR}/hippogradConfigVersion.cmake"
        DESTINATION "${config_dir}")
