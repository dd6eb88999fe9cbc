# fairlead_embed(TARGET NAME charts DIR charts): makes a library with the files below DIR,
# reachable as `fairlead::embedded::charts()` -> map of relative path to text (header "embedded/charts.h").
# Runs as a script too: cmake -DOUT=... -DNAME=... -DDIR=... -P Embed.cmake
if(CMAKE_SCRIPT_MODE_FILE)
  file(GLOB_RECURSE files RELATIVE ${DIR} ${DIR}/*)
  list(SORT files)
  set(text "#include \"embedded/${NAME}.h\"\nconst std::map<std::string, std::string>& fairlead::embedded::${NAME}() {\n  static const std::map<std::string, std::string> files = {\n")
  foreach(file IN LISTS files)
    file(READ ${DIR}/${file} hex HEX)
    string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${hex}")
    # A literal line stays short enough for the compiler; sizeof gives the length, so zero bytes survive.
    string(REGEX REPLACE "(................................................................................................................................................................................................................................................................)" "\\1\"\n\"" bytes "${bytes}")
    string(APPEND text "{\"${file}\", std::string(\"${bytes}\", sizeof(\"${bytes}\") - 1)},\n")
  endforeach()
  string(APPEND text "  };\n  return files;\n}\n")
  file(WRITE ${OUT} "${text}")
  return()
endif()
set(FAIRLEAD_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(fairlead_embed)
  cmake_parse_arguments(E "" "NAME;DIR" "" ${ARGN})
  set(dir ${CMAKE_SOURCE_DIR}/${E_DIR})
  set(out ${CMAKE_BINARY_DIR}/embedded/${E_NAME}.cc)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/embedded/${E_NAME}.h CONTENT
    "#pragma once\n#include <map>\n#include <string>\nnamespace fairlead::embedded {\n// The files of ${E_DIR}/ by relative path.\nconst std::map<std::string, std::string>& ${E_NAME}();\n}\n")
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${dir}/*)
  add_custom_command(OUTPUT ${out} DEPENDS ${files} ${FAIRLEAD_EMBED_SCRIPT}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNAME=${E_NAME} -DDIR=${dir} -P ${FAIRLEAD_EMBED_SCRIPT})
  add_library(fl_embedded_${E_NAME} STATIC ${out})
  target_include_directories(fl_embedded_${E_NAME} PUBLIC ${CMAKE_BINARY_DIR})
  target_link_libraries(fl_embedded_${E_NAME} PUBLIC fl_options)
endfunction()
