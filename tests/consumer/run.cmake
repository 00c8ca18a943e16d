# Installs the build into a fresh folder, configures, builds and runs the consumer against it.
set(work "${build_dir}/consumer")
file(REMOVE_RECURSE "${work}")

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: exit status ${status}\n${output}")
  endif()
  message(STATUS "${output}")
endfunction()

run(${CMAKE_COMMAND} --install "${build_dir}" --prefix "${work}/prefix")
run(${CMAKE_COMMAND} -S "${source_dir}" -B "${work}/build" -G "${generator}" "-DCMAKE_PREFIX_PATH=${work}/prefix"
    "-DCMAKE_CXX_COMPILER=${cxx}" "-DCMAKE_BUILD_TYPE=${config}")
run(${CMAKE_COMMAND} --build "${work}/build")
run("${work}/build/main")
run("${work}/build/checks")
