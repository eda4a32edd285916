# Everything comes from the distribution's packages; scripts/install-packages.sh names them.
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(Boost 1.81 REQUIRED)  # headers only: Asio, Beast, system::result
find_package(nlohmann_json 3.11 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(RocksDB 7.8 REQUIRED)
find_package(CURL REQUIRED)
find_package(ZLIB REQUIRED)
if(KYANITE_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)
find_path(VALIJSON_INCLUDE_DIR valijson/validator.hpp REQUIRED)
# Its core alone: the text form of metrics. The exposer would bring a second HTTP server.
find_path(PROMETHEUS_CPP_INCLUDE_DIR prometheus/text_serializer.h REQUIRED)
find_library(PROMETHEUS_CPP_CORE_LIBRARY prometheus-cpp-core REQUIRED)

add_library(kyanite_asio INTERFACE)
target_link_libraries(kyanite_asio INTERFACE Boost::headers Threads::Threads OpenSSL::SSL OpenSSL::Crypto)
target_compile_definitions(kyanite_asio INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE)
