# Run by `cmake --install`: writes into KYANITE_STAGE what is made from the program and the sources.
file(REMOVE_RECURSE ${KYANITE_STAGE})
set(share ${KYANITE_STAGE}/usr/share)
file(MAKE_DIRECTORY ${share}/doc/kyanite ${share}/man/man1 ${share}/bash-completion/completions
     ${share}/zsh/vendor-completions ${share}/fish/vendor_completions.d)

# One entry; the full history is the upstream change log beside it.
if(NOT CPACK_PACKAGE_VERSION)
  execute_process(COMMAND ${KYANITE_PROGRAM} version OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE
                  COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "kyanite " "" version "${version}")
else()
  set(version ${CPACK_PACKAGE_VERSION})
endif()
execute_process(COMMAND git -C ${KYANITE_SOURCE_DIR} log -1 --format=%cD OUTPUT_VARIABLE date
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT date)
  execute_process(COMMAND date -R OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
file(WRITE ${share}/doc/kyanite/changelog.Debian
     "kyanite (${version}) bookworm; urgency=medium\n\n  * See changelog.gz.\n\n -- The Kyanite authors <kyanite@localhost>  ${date}\n")
file(READ ${KYANITE_SOURCE_DIR}/CHANGELOG.md changes)
file(WRITE ${share}/doc/kyanite/changelog "${changes}")
execute_process(COMMAND gzip -9nf ${share}/doc/kyanite/changelog.Debian ${share}/doc/kyanite/changelog
                COMMAND_ERROR_IS_FATAL ANY)

# Writes what `kyanite ARGUMENTS` prints. A program that lacks the command leaves the file out, and says so.
function(write_output file)
  execute_process(COMMAND ${KYANITE_PROGRAM} ${ARGN} OUTPUT_VARIABLE text ERROR_QUIET RESULT_VARIABLE status)
  if(status EQUAL 0 AND text)
    file(WRITE ${file} "${text}")
  else()
    list(JOIN ARGN " " command)
    message(STATUS "`kyanite ${command}` printed nothing; ${file} is left out")
  endif()
endfunction()
write_output(${share}/man/man1/kyanite.1 man)
if(EXISTS ${share}/man/man1/kyanite.1)
  execute_process(COMMAND gzip -9nf ${share}/man/man1/kyanite.1 COMMAND_ERROR_IS_FATAL ANY)
endif()
write_output(${share}/bash-completion/completions/kyanite completion bash)
write_output(${share}/zsh/vendor-completions/_kyanite completion zsh)
write_output(${share}/fish/vendor_completions.d/kyanite.fish completion fish)
foreach(folder man/man1 man bash-completion/completions bash-completion zsh/vendor-completions zsh
               fish/vendor_completions.d fish)
  file(GLOB inside ${share}/${folder}/*)
  if(NOT inside)
    file(REMOVE_RECURSE ${share}/${folder})
  endif()
endforeach()
