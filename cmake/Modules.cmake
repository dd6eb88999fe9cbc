# Every module, lowest layer first.
fairlead_module(NAME util LAYER 0
  SOURCES clock.cc fd.cc file.cc log.cc result.cc strings.cc subprocess.cc unix_socket.cc)
fairlead_module(NAME value LAYER 1 DEPS util LIBS OpenSSL::Crypto PkgConfig::YAMLCPP
  SOURCES json.cc jsonpath.cc merge.cc yaml.cc)
fairlead_module(NAME http LAYER 1 DEPS util LIBS OpenSSL::SSL OpenSSL::Crypto CURL::libcurl
  SOURCES certificates.cc client.cc message.cc server.cc)
fairlead_module(NAME kernel LAYER 1 DEPS util LIBS PkgConfig::NFTABLES
  SOURCES netns.cc nft.cc)
fairlead_module(NAME kube LAYER 2 DEPS util value http
  SOURCES client.cc config.cc informer.cc mapper.cc object.cc reflector.cc)
fairlead_module(NAME gotmpl LAYER 2 DEPS util value http
  SOURCES builtins.cc engine.cc lexer.cc parser.cc sprig_collections.cc sprig_defaults.cc sprig_strings.cc value.cc)
fairlead_module(NAME chart LAYER 3 DEPS util value gotmpl
  SOURCES load.cc render.cc)
fairlead_module(NAME redirect LAYER 2 DEPS util value kernel
  SOURCES program.cc sidecar_config.cc sidecar_nft.cc)
fairlead_module(NAME controller LAYER 3 DEPS util value http kube LIBS PkgConfig::PROMETHEUS
  SOURCES controller.cc events.cc health.cc leader_election.cc metrics.cc work_queue.cc)
