# Warnings and sanitizers that every target of ours uses: link kyanite_options (kyanite_library does it).
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

# Assertions name files as the repository does, wherever it lies; and so one clone has use of what another compiled.
add_compile_options(-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)

add_library(kyanite_options INTERFACE)
target_include_directories(kyanite_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(kyanite_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                                 -Wnon-virtual-dtor -Wold-style-cast)
if(KYANITE_WERROR)
  target_compile_options(kyanite_options INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(kyanite_options INTERFACE -Wno-sign-conversion)  # part of its -Wconversion, not of g++'s
endif()
if(KYANITE_SANITIZE)
  add_compile_options(-fsanitize=${KYANITE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${KYANITE_SANITIZE})
  if(KYANITE_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # g++ warns about the fences inside Asio
  endif()
endif()
if(KYANITE_FUZZ)
  # Every library is instrumented; only the fuzz programs link the fuzzer itself (tests/fuzz).
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
endif()
# g++ 12 reports false positives from inlined std::string and std::variant code once sanitizers or -O2 are on.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(kyanite_options INTERFACE -Wno-maybe-uninitialized -Wno-restrict)
endif()

# kyanite_library(name SOURCES ... LINK ...): one module of ours with the project's warnings.
function(kyanite_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC kyanite_options ${ARG_LINK})
endfunction()

# kyanite_test(name SOURCES ... LINK ...): one GoogleTest program, run by ctest as one test.
function(kyanite_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE kyanite_options ${ARG_LINK} GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 900)  # against hangs alone
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
endfunction()
