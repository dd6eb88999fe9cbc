# fairlead_proto(NAME zds DIR src/zds): the library fl_zds_proto from src/zds/zds.proto; its header is "zds.pb.h".
function(fairlead_proto)
  cmake_parse_arguments(P "" "NAME;DIR" "" ${ARGN})
  set(out ${CMAKE_BINARY_DIR}/proto)
  file(MAKE_DIRECTORY ${out})
  set(proto ${CMAKE_SOURCE_DIR}/${P_DIR}/${P_NAME}.proto)
  add_custom_command(
    OUTPUT ${out}/${P_NAME}.pb.cc ${out}/${P_NAME}.pb.h
    COMMAND ${PROTOC} --cpp_out=${out} -I ${CMAKE_SOURCE_DIR}/${P_DIR} ${proto}
    DEPENDS ${proto})
  add_library(fl_${P_NAME}_proto STATIC ${out}/${P_NAME}.pb.cc ${out}/${P_NAME}.pb.h)
  target_include_directories(fl_${P_NAME}_proto SYSTEM PUBLIC ${out})
  target_link_libraries(fl_${P_NAME}_proto PUBLIC ${PROTOBUF_LITE} Threads::Threads)
endfunction()
