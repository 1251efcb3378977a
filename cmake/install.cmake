# What `cmake --install` puts where. Everything is relative to the prefix, so that an installed tree
# can be moved: the .pc files use ${pcfiledir}, the CMake package its own folder.

include(CMakePackageConfigHelpers)

install(TARGETS imago_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(TARGET imago_objdump)
  install(TARGETS imago_objdump RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/imago)
endif()
if(TARGET imago_launcher)
  install(PROGRAMS ${PROJECT_BINARY_DIR}/imago-launcher
          DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/imago)
endif()
install(TARGETS imago_static imago_shared imago_compile_static imago_compile_shared
        EXPORT imago-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/imago DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING
        PATTERN *.h)

# pkg-config: imago.pc (running), imago-compile.pc (compiling).
file(RELATIVE_PATH IMAGO_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
foreach(name imago imago-compile)
  configure_file(cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

# CMake: find_package(imago) gives imago::imago and imago::imago-compile, and -static of both.
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/imago)
configure_package_config_file(cmake/imago-config.cmake.in
                              ${PROJECT_BINARY_DIR}/imago-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/imago-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/imago-config.cmake
        ${PROJECT_BINARY_DIR}/imago-config-version.cmake DESTINATION ${package_dir})
install(EXPORT imago-targets NAMESPACE imago:: DESTINATION ${package_dir})

# Man page and completions are what the command itself prints: one table behind all of them.
set(generated ${PROJECT_BINARY_DIR}/generated)
add_custom_command(
  OUTPUT ${generated}/imago.1 ${generated}/imago.bash ${generated}/_imago ${generated}/imago.fish
  COMMAND ${CMAKE_COMMAND} -E make_directory ${generated}
  COMMAND imago_command man > ${generated}/imago.1
  COMMAND imago_command completion bash > ${generated}/imago.bash
  COMMAND imago_command completion zsh > ${generated}/_imago
  COMMAND imago_command completion fish > ${generated}/imago.fish
  DEPENDS imago_command)
if(NOT IMAGO_SANITIZE)
  add_custom_target(imago_generated ALL DEPENDS ${generated}/imago.1)
endif()
install(FILES ${generated}/imago.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${generated}/imago.bash RENAME imago
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${generated}/_imago DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${generated}/imago.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN *.md)
