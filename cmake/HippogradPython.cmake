# bindings/*.cpp -> hippograd/_C.*.so, beside libhippograd.so. pybind11 2.13 or newer comes from pip, in the Python that
# will import the result: the system's is too old for NumPy 2, and the default search may pick another Python.
set(HIPPOGRAD_HAVE_PYTHON OFF)
file(GLOB binding_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bindings/*.cpp")

if(NOT HIPPOGRAD_PYTHON STREQUAL "OFF")
  if(NOT DEFINED Python_EXECUTABLE AND NOT SKBUILD AND NOT DEFINED ENV{VIRTUAL_ENV}
     AND EXISTS "${PROJECT_SOURCE_DIR}/.venv/bin/python")
    set(Python_EXECUTABLE "${PROJECT_SOURCE_DIR}/.venv/bin/python")
  endif()
  set(Python_FIND_VIRTUALENV FIRST)
  set(Python_FIND_STRATEGY LOCATION)
  find_package(Python 3.10 QUIET COMPONENTS Interpreter Development.Module)
  set(pybind11_found OFF)
  if(Python_FOUND)
    execute_process(COMMAND "${Python_EXECUTABLE}" -m pybind11 --cmakedir OUTPUT_VARIABLE pybind11_ROOT
                    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(pybind11_ROOT)
      set(PYBIND11_FINDPYTHON ON)
      find_package(pybind11 2.13 CONFIG QUIET)
      set(pybind11_found ${pybind11_FOUND})
    endif()
  endif()
  hippograd_decide(PYTHON pybind11_found "pybind11 2.13 or newer for ${Python_EXECUTABLE}"
                   "in a virtual environment: pip install 'pybind11>=2.13'")
endif()

if(HIPPOGRAD_HAVE_PYTHON)
  # build/python/hippograd: the package's files as links, so that PYTHONPATH=build/python runs the tree as it stands.
  file(GLOB package_entries CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/python/hippograd"
       "${PROJECT_SOURCE_DIR}/python/hippograd/*")
  file(MAKE_DIRECTORY "${HIPPOGRAD_PYTHON_DIR}")
  foreach(entry IN LISTS package_entries)
    if(NOT entry STREQUAL "__pycache__" AND NOT entry MATCHES "\\.so$")
      file(CREATE_LINK "${PROJECT_SOURCE_DIR}/python/hippograd/${entry}" "${HIPPOGRAD_PYTHON_DIR}/${entry}" SYMBOLIC)
    endif()
  endforeach()

  list(JOIN HIPPOGRAD_ISA "', '" isa_names)
  set(HIPPOGRAD_ISA_PYTHON "[]")
  if(HIPPOGRAD_ISA)
    set(HIPPOGRAD_ISA_PYTHON "['${isa_names}']")
  endif()
  configure_file("${PROJECT_SOURCE_DIR}/cmake/_build.py.in" "${HIPPOGRAD_PYTHON_DIR}/_build.py" @ONLY)

  if(binding_sources)
    pybind11_add_module(_C MODULE NO_EXTRAS ${binding_sources})   # no LTO: it doubles the time of each link
    target_link_libraries(_C PRIVATE hippograd hippograd_flags fmt::fmt)
    hippograd_exports(_C exports_python.map)
    set_target_properties(_C PROPERTIES
      LIBRARY_OUTPUT_DIRECTORY "${HIPPOGRAD_PYTHON_DIR}" CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
      BUILD_RPATH_USE_ORIGIN ON INSTALL_RPATH "$ORIGIN")

    # Names, signatures and documentation for editors. A sanitized library cannot be imported by a plain Python.
    if(NOT HIPPOGRAD_SANITIZE)
      set(stub_output "${HIPPOGRAD_PYTHON_DIR}/_C.pyi")
      add_custom_command(OUTPUT "${stub_output}" DEPENDS _C "${PROJECT_SOURCE_DIR}/tools/make_stubs.py"
        COMMAND "${Python_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/tools/make_stubs.py" "${PROJECT_BINARY_DIR}/python"
        COMMENT "Type stubs: hippograd/_C.pyi" VERBATIM)
      add_custom_target(stubs ALL DEPENDS "${stub_output}")
    endif()
  endif()
endif()
