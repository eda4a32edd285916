# What belongs on a machine beside the program, and the Debian package of it all: scripts/package.sh calls cpack.
include(GNUInstallDirs)

set(KYANITE_PACKAGING ${CMAKE_SOURCE_DIR}/packaging)
install(FILES ${KYANITE_PACKAGING}/systemd/kyanite.service DESTINATION /usr/lib/systemd/system)
install(FILES ${KYANITE_PACKAGING}/kyanite.json DESTINATION /etc/kyanite)
install(FILES ${KYANITE_PACKAGING}/debian/copyright DESTINATION /usr/share/doc/kyanite)
install(FILES config/kyanite.schema.json config/kyanite.example.json config/reference.md
        DESTINATION /usr/share/doc/kyanite)
# Manual page, completion and the change logs come from the program and the sources as they are.
install(CODE "set(KYANITE_PROGRAM \"$<TARGET_FILE:kyanite>\")
set(KYANITE_SOURCE_DIR \"${CMAKE_SOURCE_DIR}\")")
install(CODE "set(KYANITE_STAGE \"${CMAKE_BINARY_DIR}/package-stage\")")
install(SCRIPT ${CMAKE_SOURCE_DIR}/cmake/package_documents.cmake)
install(DIRECTORY ${CMAKE_BINARY_DIR}/package-stage/usr DESTINATION /)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME kyanite)
set(CPACK_PACKAGE_VENDOR Kyanite)
set(CPACK_PACKAGE_CONTACT "The Kyanite authors <kyanite@localhost>")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, ca-certificates, init-system-helpers (>= 1.52)")
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "self-hosted hub for devices built for Azure IoT Hub")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "Kyanite speaks what devices and back ends made for Azure IoT Hub speak: MQTT,
AMQP and HTTPS with the same topics, routes, tokens and certificates. They
connect to it unchanged. This package runs it as a service.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${KYANITE_PACKAGING}/debian/postinst;${KYANITE_PACKAGING}/debian/prerm;${KYANITE_PACKAGING}/debian/postrm;${KYANITE_PACKAGING}/debian/conffiles")
include(CPack)
