# One function per kind of target. Sources are found by folder, so adding a file needs no edit here.

# Two sets of precompiled headers: one for what ships, one for tests, which are compiled without optimisation (they are
# half of the code, and what they call was compiled with it).
set(TSUKAI_TEST_OPTIONS -O0)
add_library(tsukai_precompiled OBJECT ${PROJECT_SOURCE_DIR}/src/base/precompiled.cc)
target_precompile_headers(tsukai_precompiled PRIVATE ${PROJECT_SOURCE_DIR}/src/base/precompiled.h)
target_link_libraries(tsukai_precompiled PRIVATE fmt::fmt tsukai_boost tsukai_json tsukai_expected)
target_include_directories(tsukai_precompiled PRIVATE ${PROJECT_SOURCE_DIR}/src)

# With TSUKAI_UNITY, the sources of a target are compiled several in one: what they share (JSON, coroutines) is instantiated
# once a unit, not once a file, which makes a build from nothing three times as quick and an edit slower. So names in
# unnamed namespaces are unique within a folder; the few files that share some on purpose stay alone (`ALONE`, a regex).
function(tsukai_unity NAME FILES_A_UNIT ALONE)
  if(NOT TSUKAI_UNITY)
    return()
  endif()
  set_target_properties(${NAME} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${FILES_A_UNIT})
  get_target_property(SOURCES ${NAME} SOURCES)
  foreach(SOURCE ${SOURCES})
    if(ALONE AND SOURCE MATCHES "${ALONE}")
      set_source_files_properties(${SOURCE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
    # Tests of the programs: a unit a program (cli_run_test.cc belongs to `cli`), since they use different namespaces.
    if(NAME STREQUAL "test_tools" AND SOURCE MATCHES "/tests/tools/([a-z]+)_[^/]*$")
      set_source_files_properties(${SOURCE} PROPERTIES UNITY_GROUP ${CMAKE_MATCH_1})
    endif()
  endforeach()
  if(NAME STREQUAL "test_tools")
    set_target_properties(${NAME} PROPERTIES UNITY_BUILD_MODE GROUP)
  endif()
endfunction()

# tsukai_library(NAME [DEPENDS folders...] [PUBLIC_PACKAGES ...] [PRIVATE_PACKAGES ...])
# One static library per folder of src/. The folders named after DEPENDS are the only ones it may include.
function(tsukai_library NAME)
  cmake_parse_arguments(ARG "" "" "DEPENDS;PUBLIC_PACKAGES;PRIVATE_PACKAGES" ${ARGN})
  file(GLOB_RECURSE SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${NAME}/*.cc)
  list(REMOVE_ITEM SOURCES ${PROJECT_SOURCE_DIR}/src/base/precompiled.cc)
  add_library(tsukai_${NAME} STATIC ${SOURCES})
  target_include_directories(tsukai_${NAME} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  foreach(DEPENDENCY ${ARG_DEPENDS})
    target_link_libraries(tsukai_${NAME} PUBLIC tsukai_${DEPENDENCY})
  endforeach()
  target_link_libraries(tsukai_${NAME} PUBLIC ${ARG_PUBLIC_PACKAGES} PRIVATE ${ARG_PRIVATE_PACKAGES})
  target_compile_definitions(tsukai_${NAME} PRIVATE TSUKAI_VERSION="${PROJECT_VERSION}")
  target_precompile_headers(tsukai_${NAME} REUSE_FROM tsukai_precompiled)
  # Links are one class a transport under the same names, and so are kernels for each kind of processor.
  tsukai_unity(tsukai_${NAME} 10 "_link\\.cc$|/kernels_")
endfunction()

# tsukai_program(NAME FOLDER dir [DEPENDS folders...] [PACKAGES ...])
# A program of tools/. All but its main.cc also form the library NAME_parts, so that tests reach them.
function(tsukai_program NAME)
  cmake_parse_arguments(ARG "" "FOLDER" "DEPENDS;PACKAGES" ${ARGN})
  file(GLOB_RECURSE SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${ARG_FOLDER}/*.cc)
  set(MAIN ${PROJECT_SOURCE_DIR}/${ARG_FOLDER}/main.cc)
  list(REMOVE_ITEM SOURCES ${MAIN})
  add_library(${NAME}_parts STATIC ${SOURCES})
  target_include_directories(${NAME}_parts PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${NAME}_parts PUBLIC TSUKAI_VERSION="${PROJECT_VERSION}")
  foreach(DEPENDENCY ${ARG_DEPENDS})
    target_link_libraries(${NAME}_parts PUBLIC tsukai_${DEPENDENCY})
  endforeach()
  target_link_libraries(${NAME}_parts PUBLIC ${ARG_PACKAGES})
  add_executable(${NAME} ${MAIN})
  target_link_libraries(${NAME} PRIVATE ${NAME}_parts)
  target_precompile_headers(${NAME}_parts REUSE_FROM tsukai_precompiled)
  target_precompile_headers(${NAME} REUSE_FROM tsukai_precompiled)
  tsukai_unity(${NAME}_parts 10 "")
endfunction()

# What every test program is made of: doctest's own code and main(). Only once BUILD_TESTING is on.
function(tsukai_test_base)
  add_library(tsukai_test_main OBJECT ${PROJECT_SOURCE_DIR}/tests/support/doctest_main.cc
              ${PROJECT_SOURCE_DIR}/src/base/precompiled.cc)
  target_precompile_headers(tsukai_test_main PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/precompiled.h)
  target_compile_options(tsukai_test_main PRIVATE ${TSUKAI_TEST_OPTIONS})
  target_include_directories(tsukai_test_main PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(tsukai_test_main PRIVATE doctest::doctest fmt::fmt tsukai_boost tsukai_json tsukai_expected)
  # doctest's own code comes from including its header a second way.
  set_source_files_properties(${PROJECT_SOURCE_DIR}/tests/support/doctest_main.cc PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
endfunction()

# tsukai_tests(FOLDER [DEPENDS ...] [PROGRAMS ...])
# tests/FOLDER/*_test.cc (and tests/FOLDER_test.cc) form the program test_FOLDER; ctest runs it file by file. A file *_slow_test.cc is labelled
# slow, *_net_test.cc net (a package registry is asked), *_gpu_test.cc gpu; all others fast. PROGRAMS are those that the
# tests start.
function(tsukai_tests FOLDER)
  cmake_parse_arguments(ARG "" "" "DEPENDS;PROGRAMS" ${ARGN})
  file(GLOB_RECURSE SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${FOLDER}/*_test.cc
       ${PROJECT_SOURCE_DIR}/tests/${FOLDER}_test.cc)
  if(NOT SOURCES)
    return()
  endif()
  add_executable(test_${FOLDER} ${SOURCES} $<TARGET_OBJECTS:tsukai_test_main>)
  file(GLOB SUPPORT CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${FOLDER}/support/*.cc)
  target_sources(test_${FOLDER} PRIVATE ${SUPPORT})
  target_include_directories(test_${FOLDER} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR})
  target_link_libraries(test_${FOLDER} PRIVATE doctest::doctest)
  target_compile_options(test_${FOLDER} PRIVATE ${TSUKAI_TEST_OPTIONS})
  target_precompile_headers(test_${FOLDER} REUSE_FROM tsukai_test_main)
  tsukai_unity(test_${FOLDER} 8 "")
  foreach(DEPENDENCY ${ARG_DEPENDS})
    if(TARGET tsukai_${DEPENDENCY})
      target_link_libraries(test_${FOLDER} PRIVATE tsukai_${DEPENDENCY})
    elseif(TARGET ${DEPENDENCY})
      target_link_libraries(test_${FOLDER} PRIVATE ${DEPENDENCY})
    endif()
  endforeach()
  foreach(PROGRAM ${ARG_PROGRAMS})
    if(TARGET ${PROGRAM})
      add_dependencies(test_${FOLDER} ${PROGRAM})
    endif()
  endforeach()
  target_compile_definitions(test_${FOLDER} PRIVATE TSUKAI_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                             TSUKAI_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  foreach(SOURCE ${SOURCES})
    get_filename_component(STEM ${SOURCE} NAME_WE)
    set(LABEL fast)
    if(STEM MATCHES "_(slow|net|gpu)_test$")
      set(LABEL ${CMAKE_MATCH_1})
    endif()
    add_test(NAME ${FOLDER}/${STEM} COMMAND test_${FOLDER} --source-file=*/${STEM}.cc --no-intro)
    set_tests_properties(${FOLDER}/${STEM} PROPERTIES LABELS ${LABEL} TIMEOUT 300)
    # Installed once for all that start them, and not in the time of a test.
    if(STEM MATCHES "^mcp_(servers|calls)_net_test$")
      set_tests_properties(${FOLDER}/${STEM} PROPERTIES FIXTURES_REQUIRED npm_servers)
    endif()
  endforeach()
endfunction()

# The published MCP servers that net tests start, fetched from npm into the build folder. 3: npm was not to be reached.
function(tsukai_npm_servers)
  add_test(NAME tools/npm_servers
           COMMAND ${PROJECT_SOURCE_DIR}/tests/tools/npm_servers.sh ${CMAKE_BINARY_DIR}/npm-servers)
  set_tests_properties(tools/npm_servers PROPERTIES LABELS net TIMEOUT 600 SKIP_RETURN_CODE 3
                       FIXTURES_SETUP npm_servers)
endfunction()

# Every tests/bench/*.cc is a program of its own; none runs as a test and none asserts on time. `all` holds those that
# count or check; the target `benchmarks` the others as well.
function(tsukai_benchmarks)
  file(GLOB SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/bench/*.cc)
  add_custom_target(benchmarks)
  foreach(SOURCE ${SOURCES})
    get_filename_component(STEM ${SOURCE} NAME_WE)
    add_executable(${STEM} ${SOURCE})
    add_dependencies(benchmarks ${STEM})
    if(NOT STEM MATCHES "^(agent_loop_bench|shop_load)$")
      set_target_properties(${STEM} PROPERTIES EXCLUDE_FROM_ALL ON)
    endif()
    target_include_directories(${STEM} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(${STEM} PRIVATE tsukai_agent benchmark::benchmark)
    target_precompile_headers(${STEM} REUSE_FROM tsukai_precompiled)
    # Those of a server of tools/ are named route_*, shop_* and search_*.
    if(STEM MATCHES "^route_")
      target_link_libraries(${STEM} PRIVATE tsukai-maps_parts)
    elseif(STEM MATCHES "^(shop|search)_")
      target_link_libraries(${STEM} PRIVATE tsukai-${CMAKE_MATCH_1}_parts)
    endif()
  endforeach()
endfunction()

# Every tests/conformance/*.cc is a program that the official MCP conformance suite talks to (tests/conformance/run.sh).
function(tsukai_conformance)
  file(GLOB SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/conformance/*.cc)
  foreach(SOURCE ${SOURCES})
    get_filename_component(STEM ${SOURCE} NAME_WE)
    add_executable(${STEM} ${SOURCE})
    target_link_libraries(${STEM} PRIVATE tsukai_mcp)
    target_precompile_headers(${STEM} REUSE_FROM tsukai_precompiled)
  endforeach()
  # Fetches the suite from npm, so it is no part of the offline tests. 3: npm was not to be reached.
  foreach(SIDE server client)
    add_test(NAME conformance/${SIDE}
             COMMAND ${PROJECT_SOURCE_DIR}/tests/conformance/run.sh ${CMAKE_BINARY_DIR} ${SIDE})
    set_tests_properties(conformance/${SIDE} PROPERTIES LABELS net TIMEOUT 900 SKIP_RETURN_CODE 3)
  endforeach()
endfunction()

# tests/crash is one program that kills runs against tsukai-shop; tests/crash/run.sh calls it for long, a test for short.
function(tsukai_crash_drivers)
  file(GLOB SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/crash/*.cc)
  add_executable(crash_driver ${SOURCES})
  target_include_directories(crash_driver PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(crash_driver PRIVATE tsukai_agent tsukai-shop_parts)
  target_precompile_headers(crash_driver REUSE_FROM tsukai_precompiled)
  add_dependencies(crash_driver tsukai-shop)
  add_test(NAME crash/matrix COMMAND crash_driver --brief --random 30)
  set_tests_properties(crash/matrix PROPERTIES LABELS fast TIMEOUT 300)
endfunction()

# tsukai_fuzzers(LIBRARY names...)
# Each tests/fuzz/NAME_fuzz.cc is a libFuzzer program over a parser of LIBRARY; its seeds lie in tests/fuzz/corpus/NAME_fuzz.
function(tsukai_fuzzers LIBRARY)
  foreach(NAME ${ARGN})
    add_executable(${NAME}_fuzz ${PROJECT_SOURCE_DIR}/tests/fuzz/${NAME}_fuzz.cc)
    target_link_libraries(${NAME}_fuzz PRIVATE ${LIBRARY})
    target_link_options(${NAME}_fuzz PRIVATE -fsanitize=fuzzer)
  endforeach()
endfunction()

# The target `headers` compiles every header of src/ alone: each must include what it uses.
function(tsukai_header_check)
  file(GLOB_RECURSE HEADERS CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/src/*.h)
  set(UNITS "")
  foreach(HEADER ${HEADERS})
    string(REPLACE "/" "_" STEM ${HEADER})
    set(UNIT ${CMAKE_BINARY_DIR}/headers/${STEM}.cc)
    file(GENERATE OUTPUT ${UNIT} CONTENT "#include \"${HEADER}\"\n")
    list(APPEND UNITS ${UNIT})
  endforeach()
  add_library(headers OBJECT EXCLUDE_FROM_ALL ${UNITS})
  target_compile_options(headers PRIVATE -fsyntax-only -Wno-unused-command-line-argument)
  target_link_libraries(headers PRIVATE tsukai_agent)
endfunction()
