# One call declares a module: its layer, sources, dependencies and tests. A module may use modules of a lower layer only;
# anything else stops the configure step. The same declaration is exported to build/modules.txt, from which a test checks
# that the #includes in the sources agree with it.
#
#   fairlead_module(NAME kube LAYER 2 SOURCES client.cc DEPS util value http LIBS OpenSSL::Crypto TESTS client_test.cc)
#
# A module's sources are compiled together, which takes much less time; -DFAIRLEAD_UNITY=OFF compiles each by
# itself, for who changes one again and again. SEPARATE: always so, since a program that must be small takes few of them.
option(FAIRLEAD_UNITY "Compile the sources of a module together" ON)
function(fairlead_module)
  cmake_parse_arguments(M "SEPARATE" "NAME;LAYER" "SOURCES;DEPS;LIBS;TESTS;TEST_LIBS" ${ARGN})
  set_property(GLOBAL PROPERTY FAIRLEAD_LAYER_${M_NAME} ${M_LAYER})
  foreach(dep IN LISTS M_DEPS)
    get_property(dep_layer GLOBAL PROPERTY FAIRLEAD_LAYER_${dep})
    if(dep_layer STREQUAL "")
      message(FATAL_ERROR "module ${M_NAME} depends on ${dep}, which is not declared before it")
    endif()
    if(NOT dep_layer LESS M_LAYER)
      message(FATAL_ERROR "module ${M_NAME} (layer ${M_LAYER}) may not depend on ${dep} (layer ${dep_layer}): "
                          "a module uses lower layers only")
    endif()
  endforeach()
  file(APPEND ${CMAKE_BINARY_DIR}/modules.txt "${M_NAME}:${M_LAYER}:${M_DEPS}\n")

  set(sources ${M_SOURCES})
  list(TRANSFORM sources PREPEND ${CMAKE_SOURCE_DIR}/src/${M_NAME}/)
  add_library(fl_${M_NAME} STATIC ${sources})
  target_link_libraries(fl_${M_NAME} PUBLIC fl_options ${M_LIBS})
  target_precompile_headers(fl_${M_NAME} REUSE_FROM fl_pch)
  if(FAIRLEAD_UNITY AND NOT M_SEPARATE)
    set_target_properties(fl_${M_NAME} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
    target_compile_options(fl_${M_NAME} PRIVATE -Wno-subobject-linkage)  # about what is no header
  endif()
  foreach(dep IN LISTS M_DEPS)
    target_link_libraries(fl_${M_NAME} PUBLIC fl_${dep})
  endforeach()

  if(M_TESTS AND FAIRLEAD_TESTS)
    set(tests ${M_TESTS})
    list(TRANSFORM tests PREPEND ${CMAKE_SOURCE_DIR}/src/${M_NAME}/)
    add_executable(${M_NAME}_test ${tests})
    target_link_libraries(${M_NAME}_test PRIVATE fl_${M_NAME} GTest::gtest GTest::gtest_main ${M_TEST_LIBS})
    target_precompile_headers(${M_NAME}_test REUSE_FROM fl_pch)
    set_property(GLOBAL APPEND PROPERTY FAIRLEAD_TEST_PROGRAMS ${M_NAME}_test)
    add_test(NAME ${M_NAME} COMMAND ${M_NAME}_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${M_NAME} PROPERTIES LABELS unit TIMEOUT 120)
  endif()
endfunction()

# fairlead_program(NAME fairlead-operator SOURCES fairlead_operator.cc DEPS mesh): a main() in src/cmd.
function(fairlead_program)
  cmake_parse_arguments(P "" "NAME" "SOURCES;DEPS;LIBS" ${ARGN})
  set(sources ${P_SOURCES})
  list(TRANSFORM sources PREPEND ${CMAKE_SOURCE_DIR}/src/cmd/)
  add_executable(${P_NAME} ${sources})
  target_precompile_headers(${P_NAME} REUSE_FROM fl_pch)
  foreach(dep IN LISTS P_DEPS)
    target_link_libraries(${P_NAME} PRIVATE fl_${dep})
  endforeach()
  target_link_libraries(${P_NAME} PRIVATE ${P_LIBS})
endfunction()
