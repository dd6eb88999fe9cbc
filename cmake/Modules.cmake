# Every module, lowest layer first.
include(cmake/Embed.cmake)
include(cmake/Proto.cmake)
fairlead_embed(NAME lab_types DIR config/lab)
fairlead_embed(NAME catalog DIR config/catalog)
fairlead_embed(NAME profiles DIR config/profiles)
fairlead_embed(NAME charts DIR charts)
fairlead_embed(NAME web DIR web)

fairlead_module(NAME util LAYER 0 SEPARATE LIBS ${UTF8PROC}
  SOURCES clock.cc edit_distance.cc fd.cc file.cc line_diff.cc log.cc memory.cc result.cc strings.cc subprocess.cc unicode.cc unix_socket.cc
  TESTS util_test.cc)
fairlead_module(NAME value LAYER 1 DEPS util LIBS OpenSSL::Crypto PkgConfig::YAML
  SOURCES json.cc jsonpath.cc merge.cc yaml_reader.cc yaml_scalar.cc yaml_writer.cc
  TESTS value_test.cc)
fairlead_module(NAME http LAYER 1 DEPS util LIBS OpenSSL::SSL OpenSSL::Crypto
  SOURCES certificates.cc client.cc message.cc server.cc stream.cc
  TESTS http_test.cc)
fairlead_proto(NAME zds DIR src/zds)
fairlead_module(NAME zds LAYER 1 DEPS util LIBS fl_zds_proto
  SOURCES messages.cc
  TESTS zds_test.cc)
fairlead_module(NAME kernel LAYER 1 SEPARATE DEPS util LIBS PkgConfig::NFTABLES
  SOURCES iptables.cc netns.cc nft.cc routes.cc rtnetlink.cc)
fairlead_module(NAME kube LAYER 2 DEPS util value http
  SOURCES client.cc config.cc informer.cc mapper.cc object.cc reflector.cc scheduling.cc
  TESTS kube_test.cc)
fairlead_module(NAME gotmpl LAYER 2 DEPS util value http LIBS OpenSSL::Crypto ${RE2} crypt
  SOURCES ast.cc builtins.cc engine.cc format.cc go_time.cc json_check.cc json_text.cc lexer.cc parser.cc quote.cc semver.cc sprig.cc sprig_crypto.cc sprig_dates.cc sprig_defaults.cc sprig_dicts.cc sprig_encoding.cc sprig_lists.cc sprig_math.cc sprig_names.cc sprig_paths.cc sprig_random.cc sprig_regex.cc sprig_semver.cc sprig_strings.cc sprig_types.cc sprig_urls.cc value.cc
  TESTS conformance_test.cc gotmpl_test.cc)
fairlead_module(NAME chart LAYER 3 DEPS util value gotmpl LIBS ZLIB::ZLIB ${RE2}
  SOURCES archive.cc context.cc functions.cc ignore.cc load.cc manifests.cc metadata.cc render.cc schema.cc set_values.cc toml_reader.cc toml_writer.cc values.cc
  TESTS chart_test.cc)
fairlead_module(NAME redirect LAYER 3 DEPS util value kernel kube
  SOURCES ambient_config.cc ambient_rules.cc backend.cc backend_iptables.cc backend_nft.cc host_probes.cc iptables_text.cc nft_text.cc program.cc sidecar_config.cc sidecar_rules.cc
  TESTS redirect_test.cc rules_test.cc traffic_test.cc)
fairlead_module(NAME controller LAYER 3 DEPS util value http kube LIBS PkgConfig::PROMETHEUS
  SOURCES controller.cc events.cc health.cc leader_election.cc metrics.cc work_queue.cc
  TESTS controller_test.cc)
fairlead_module(NAME cni LAYER 3 SEPARATE DEPS util
  SOURCES plugin.cc protocol.cc
  TESTS cni_test.cc)
fairlead_module(NAME agent LAYER 4 DEPS util value http kernel kube zds redirect controller cni
  SOURCES agent.cc backend_choice.cc config.cc conflist.cc enroller.cc handover.cc installer.cc journal.cc journal_entry.cc netns_finder.cc plugin_service.cc pod_reconciler.cc pods.cc ztunnel_server.cc
  TESTS agent_test.cc enroller_test.cc)
fairlead_module(NAME lab LAYER 4 DEPS util value http kernel kube controller LIBS fl_embedded_lab_types ${RE2}
  SOURCES api_server.cc auth.cc cel.cc cni_chain.cc container_plan.cc controllers.cc daemonset.cc deployment.cc discovery.cc fabric.cc field_selector.cc fields.cc images.cc lab.cc launcher.cc local_api.cc node.cc openapi_v2.cc pod_worker.cc probe.cc registry.cc request_body.cc rest.cc schema.cc simulated_nodes.cc status.cc store.cc strategy.cc table.cc
  TESTS lab_test.cc)
fairlead_module(NAME mesh LAYER 4 DEPS util value http kube chart controller LIBS ${RE2}
  SOURCES applier.cc caches.cc catalog.cc cluster_facts.cc daemonset.cc helm_release.cc installer.cc istio.cc istiocni.cc istiorevision.cc istiorevisiontag.cc known_values.cc operator.cc readiness.cc reconciler.cc releases.cc remote_probe.cc resources.cc rollout_plan.cc skew.cc status.cc usage.cc values.cc ztunnel.cc
  TESTS mesh_test.cc TEST_LIBS fl_embedded_catalog fl_embedded_profiles fl_embedded_charts)
fairlead_module(NAME view LAYER 5 DEPS util value http kube mesh LIBS fl_embedded_web OpenSSL::Crypto
  SOURCES access.cc board.cc cluster.cc hub.cc service.cc
  TESTS view_test.cc)
if(FAIRLEAD_TESTS)
  # The whole operator against the lab's API server: minutes, where the module's own tests take moments.
  add_executable(operator_test src/mesh/behaviours_test.cc src/mesh/operator_test.cc src/mesh/operator_views_test.cc)
  target_link_libraries(operator_test PRIVATE fl_mesh fl_lab GTest::gtest GTest::gtest_main fl_embedded_catalog fl_embedded_profiles fl_embedded_charts)
  target_precompile_headers(operator_test REUSE_FROM fl_pch)
  set_property(GLOBAL APPEND PROPERTY FAIRLEAD_TEST_PROGRAMS operator_test)
  add_test(NAME operator COMMAND operator_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(operator PROPERTIES LABELS unit TIMEOUT 900)
endif()
