# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_upshift_global_optspecs
    string join \n n/namespace= local data-dir= s/server= token= kubeconfig= context= cluster= user= certificate-authority= client-certificate= client-key= tls-server-name= insecure-skip-tls-verify request-timeout= v/v= h/help V/version
end

function __fish_upshift_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_upshift_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_upshift_using_subcommand
    set -l cmd (__fish_upshift_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c upshift -n "__fish_upshift_needs_command" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_needs_command" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_needs_command" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_needs_command" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_needs_command" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_needs_command" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_needs_command" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_needs_command" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_needs_command" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_needs_command" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_needs_command" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_needs_command" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_needs_command" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_needs_command" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_needs_command" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_needs_command" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_needs_command" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_needs_command" -s V -l version -d 'Print version'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "new-project" -d 'Request a new project'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "project" -d 'Switch to another project'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "projects" -d 'Display existing projects'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "status" -d 'Show an overview of the current project'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "new-app" -d 'Create a new application from source code or an image'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "new-build" -d 'Create a new build configuration from source code'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "start-build" -d 'Start a new build'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "cancel-build" -d 'Cancel running, pending, or new builds'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "deploy" -d 'Deploy a directory, an archive or a git repository to the hosts of an application'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "rollback" -d 'Bring back the revision before'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "rollout" -d 'Follow and steer the rollouts of an application or a deployment config'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "promote" -d 'Let the other gears follow the canary, and follow the rollout'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "create" -d 'Create a resource from a file or from stdin'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "apply" -d 'Apply a configuration to a resource by file name or stdin'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "get" -d 'Display one or many resources'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "describe" -d 'Show details of a specific resource or group of resources'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "label" -d 'Update the labels on a resource'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "annotate" -d 'Update the annotations on a resource'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "expose" -d 'Expose a replicated application as a service or route'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "scale" -d 'Set a new size for a deployment, replica set, or replication controller'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "delete" -d 'Delete resources by file names, names, or label selectors'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "logs" -d 'Print the logs for a resource'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "exec" -d 'Execute a command in a container of a pod, or on a node'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "wait" -d 'Wait for a specific condition on one or many resources'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "patch" -d 'Update fields of a resource'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "cordon" -d 'Mark nodes as unschedulable: no new gear or pod goes there'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "uncordon" -d 'Mark nodes as schedulable'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "api-resources" -d 'Print the supported API resources on the server'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "api-versions" -d 'Print the supported API versions on the server, in the form of "group/version"'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "serve" -d 'Run the embedded server: API, registry, controllers, a router and a node'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "node" -d 'Run a node agent on this machine, or let other machines in'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "router" -d 'Run a router alone: it serves the routes of a server that runs elsewhere'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "config" -d 'Show the kubeconfig and change the context in use'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "whoami" -d 'Return information about the current session'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "completion" -d 'Output shell completion code for the specified shell (bash, zsh, fish, powershell, elvish)'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "version" -d 'Print the client and server version information'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "options" -d 'List the global command-line options'
complete -c upshift -n "__fish_upshift_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l display-name -d 'What people call it' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l description -d 'What it is for' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l skip-config-write -d 'Leave the kubeconfig as it is'
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand new-project" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand project" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand project" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand project" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand project" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand project" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand project" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand project" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand project" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand project" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand project" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand project" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand project" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand project" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand project" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand project" -s q -l short -l quiet -d 'Print only the name'
complete -c upshift -n "__fish_upshift_using_subcommand project" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand project" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand project" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand projects" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand projects" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand projects" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand projects" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand projects" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand projects" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand projects" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand projects" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand projects" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand projects" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand projects" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand projects" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand projects" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand projects" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand projects" -s q -l short -l quiet -d 'Print only names'
complete -c upshift -n "__fish_upshift_using_subcommand projects" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand projects" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand projects" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand status" -s o -l output -d 'dot: a graph for Graphviz' -r
complete -c upshift -n "__fish_upshift_using_subcommand status" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand status" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand status" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand status" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand status" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand status" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand status" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand status" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand status" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand status" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand status" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand status" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand status" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand status" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand status" -s A -l all-namespaces -d 'All projects'
complete -c upshift -n "__fish_upshift_using_subcommand status" -l suggest -d 'Everything that was found, with what to do about it'
complete -c upshift -n "__fish_upshift_using_subcommand status" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand status" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand status" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l image -l docker-image -d 'An image that is part of the application (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -s i -l image-stream -d 'An image stream that is part of the application (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l code -d 'A source that is part of the application (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l name -d 'The name of everything that is made, instead of the source\'s or the image\'s' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l strategy -d 'How it is built: source; docker and pipeline are not there yet' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l context-dir -d 'The folder of the source that is taken' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -s e -l env -d 'A variable of the application (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l env-file -d 'A file with a variable on each line; `-` is standard input' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l build-env -d 'A variable of the build (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l build-env-file -d 'A file with variables of the build; `-` is standard input' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -s l -l labels -d 'Labels of everything that is made' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l source-secret -d 'The secret with the credentials for the repository' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l dry-run -d 'Only show what would be made' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -s o -l output -d 'Print the objects instead of making them: json, yaml, name' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l as-deployment-config -d 'Whether a deployment config runs the application; a Kubernetes Deployment otherwise' -r -f -a "true\t''
false\t''"
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l hosts -d 'One gear on each node with these labels, as in tier=web; all means every node' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l blue -d 'Blue/green: the labels of the blue nodes' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l green -d 'Blue/green: the labels of the green nodes' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l file -d 'For a bundle without appspec.yml: SOURCE in it goes to the folder DESTINATION (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l stop -d 'For such a bundle: the script of it that stops the application, with arguments' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l start -d 'For such a bundle: the script that starts it' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l check -d 'For such a bundle: the script that checks it' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l appspec -d 'The appspec\'s name in the bundle, instead of appspec.yml' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l port -d 'What the application listens on; scripts get it as PORT [default: 8080]' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l load-balancer -d 'Requests come through this service, and each host leaves it for its turn; blue/green: NAME unless said otherwise' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l haproxy -d 'A HAProxy that serves it: ROUTER/BACKEND, or router=R,backend=B; blue/green: router=R,map=FILE,key=K[,backend=B]' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l drain -d 'How long requests under way may take to end when a host leaves [default: 30s]' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l follow -d 'Whether to follow the deployment of SOURCE to its end' -r -f -a "true\t''
false\t''"
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l concurrency -d 'How many gears at a time, or what percentage of them' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l min-healthy -d 'How many gears stay available meanwhile, or what percentage of them' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l max-failures -d 'How many gears may fail' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l canary -d 'One gear first: the others follow after TIME, without one when `promote` says so; =none leaves it out' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l on-failure -d 'What becomes of the gears when too many failed: Stop or Rollback' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l file-exists -d 'What happens to files of others at a destination: Overwrite, Disallow or Retain' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l progress -d 'How progress is shown: auto, tty, plain, json (NDJSON on stdout) or quiet; also `$UPSHIFT_PROGRESS`' -r -f -a "auto\t''
tty\t''
plain\t''
json\t''
quiet\t''"
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l color -d 'Whether to use colours: auto, always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l timeout -d 'Stop watching after this time (90s, 10m, 1h30m), with exit code 4; the work goes on' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l binary -d 'The source comes later, with start-build'
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l git -d 'Take a directory\'s remote repository instead of the directory as it is'
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l allow-missing-images -d 'Accept images that nobody knows yet'
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l allow-missing-imagestream-tags -d 'Accept image streams that have no such tag yet'
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -s L -l list -d 'Only list what an application can be made of'
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -s S -l search -d 'Only search what an application can be made of, by the names typed'
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l no-route -d 'Make no route: the application is reached from within only, until `expose`'
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -s w -l wait -d 'Follow the application from its objects to the first answered request'
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -s q -l quiet -d 'Say nothing unless something failed'
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand new-app" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l image -l docker-image -d 'An image that is part of the application (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -s i -l image-stream -d 'An image stream that is part of the application (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l code -d 'A source that is part of the application (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l name -d 'The name of everything that is made, instead of the source\'s or the image\'s' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l strategy -d 'How it is built: source; docker and pipeline are not there yet' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l context-dir -d 'The folder of the source that is taken' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -s e -l env -d 'A variable of the application (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l env-file -d 'A file with a variable on each line; `-` is standard input' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l build-env -d 'A variable of the build (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l build-env-file -d 'A file with variables of the build; `-` is standard input' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -s l -l labels -d 'Labels of everything that is made' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l source-secret -d 'The secret with the credentials for the repository' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l dry-run -d 'Only show what would be made' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -s o -l output -d 'Print the objects instead of making them: json, yaml, name' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l to -d 'The image stream tag that the image goes to, instead of NAME:latest' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l binary -d 'The source comes later, with start-build'
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l git -d 'Take a directory\'s remote repository instead of the directory as it is'
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l allow-missing-images -d 'Accept images that nobody knows yet'
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l allow-missing-imagestream-tags -d 'Accept image streams that have no such tag yet'
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -s L -l list -d 'Only list what an application can be made of'
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -s S -l search -d 'Only search what an application can be made of, by the names typed'
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand new-build" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l from-dir -d 'Build this directory as it is' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l from-file -d 'Build this file alone' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l from-repo -d 'Build the commit of this repository (--commit names another than what is checked out)' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l from-archive -d 'Build what is in this archive (tar, tar.gz, zip)' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l from-build -d 'Repeat this build' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l commit -d 'The commit to build' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -s e -l env -d 'A variable of this build (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l incremental -d 'Whether to take over what the build before left' -r -f -a "true\t''
false\t''"
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -s o -l output -d 'name: print only the build\'s' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -s F -l follow -d 'Print the build\'s log until it is over'
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -s w -l wait -d 'Wait until the build is over; a failed one fails'
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand start-build" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l state -d 'Only builds in this state: new, pending or running (can be repeated)' -r -f -a "new\t''
pending\t''
running\t''"
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l dump-logs -d 'Print each build\'s log first'
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l restart -d 'Begin each build anew'
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand cancel-build" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l sha256 -d 'With an archive on the web: the digest that it must have; URL#sha256=HEX says the same' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l context-dir -d 'With a git repository: the folder of it that is the bundle' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l name -d 'The application\'s name, instead of the directory\'s' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l port -d 'What the application listens on; scripts get it as PORT [default: 8080 for a new application]' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l revision -d 'With app/NAME: the number of the revision, instead of the one in place' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l appspec -d 'The appspec\'s name in the bundle, instead of appspec.yml' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l file -d 'Form mode: SOURCE in the bundle goes to the folder DESTINATION (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l stop -d 'Form mode: the script that stops the application, with arguments' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l start -d 'Form mode: the script that starts it' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l check -d 'Form mode: the script that checks it. Without anything else to deploy: only look whether DIR is a good bundle' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l reason -d 'Why, for the history' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l concurrency -d 'How many gears at a time, or what percentage of them' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l min-healthy -d 'How many gears stay available meanwhile, or what percentage of them' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l max-failures -d 'How many gears may fail' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l canary -d 'One gear first: the others follow after TIME, without one when `promote` says so; =none leaves it out' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l on-failure -d 'What becomes of the gears when too many failed: Stop or Rollback' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l file-exists -d 'What happens to files of others at a destination: Overwrite, Disallow or Retain' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l skip-hook -d 'Leave this hook out (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l dry-run -d 'Only show the steps: nothing is sent' -r -f -a "client\t''"
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -s o -l output -d 'Print the rollout (or with --dry-run the plan) instead: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l follow -d 'Whether to follow the rollout to its end' -r -f -a "true\t''
false\t''"
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l progress -d 'How progress is shown: auto, tty, plain, json (NDJSON on stdout) or quiet; also `$UPSHIFT_PROGRESS`' -r -f -a "auto\t''
tty\t''
plain\t''
json\t''
quiet\t''"
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l color -d 'Whether to use colours: auto, always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l timeout -d 'Stop watching after this time (90s, 10m, 1h30m), with exit code 4; the work goes on' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l ignore-stop-failure -d 'Go on when the stop script of the installed revision fails'
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -s q -l quiet -d 'Say nothing unless something failed'
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand deploy" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l to-revision -l to-version -d 'The number of the revision' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l reason -d 'Why, for the history' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l dry-run -d 'Only show the steps: nothing is changed' -r -f -a "client\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -s o -l output -d 'Print the rollout (or with --dry-run the plan) instead: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l follow -d 'Whether to follow the rollout to its end' -r -f -a "true\t''
false\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l progress -d 'How progress is shown: auto, tty, plain, json (NDJSON on stdout) or quiet; also `$UPSHIFT_PROGRESS`' -r -f -a "auto\t''
tty\t''
plain\t''
json\t''
quiet\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l color -d 'Whether to use colours: auto, always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l timeout -d 'Stop watching after this time (90s, 10m, 1h30m), with exit code 4; the work goes on' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -s q -l quiet -d 'Say nothing unless something failed'
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand rollback" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -f -a "status" -d 'Show how a rollout stands, and follow it to its end'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -f -a "history" -d 'Show the rollouts of an application, oldest first'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -f -a "pause" -d 'Change what is wanted of the rollout under way'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -f -a "resume" -d 'Change what is wanted of the rollout under way'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -f -a "cancel" -d 'Change what is wanted of the rollout under way'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -f -a "retry" -d 'Try the gears again that failed in the last rollout, and follow it'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -f -a "promote" -d 'Let the other gears follow the canary, and follow the rollout'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -f -a "replay" -d 'Tell a past rollout again, with its steps, its output and its exit code'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -f -a "latest" -d 'Start a new rollout of a deployment config with its latest images'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and not __fish_seen_subcommand_from status history pause resume cancel retry promote replay latest undo" -f -a "undo" -d 'Bring back an earlier version of a deployment config'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -s w -l watch -d 'Whether to follow it to its end' -r -f -a "true\t''
false\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l revision -d 'The number of the rollout, instead of the last' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -s o -l output -d 'Print the rollout instead: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l progress -d 'How progress is shown: auto, tty, plain, json (NDJSON on stdout) or quiet; also `$UPSHIFT_PROGRESS`' -r -f -a "auto\t''
tty\t''
plain\t''
json\t''
quiet\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l color -d 'Whether to use colours: auto, always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l timeout -d 'Stop watching after this time (90s, 10m, 1h30m), with exit code 4; the work goes on' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Say nothing unless something failed'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l revision -d 'Only the rollout of this number' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -s o -l output -d 'wide: moments, revisions and sources, too; or the rollouts instead: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from history" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s o -l output -d 'Print the rollout instead of a line: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s o -l output -d 'Print the rollout instead of a line: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -s o -l output -d 'Print the rollout instead of a line: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from cancel" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -s o -l output -d 'Print the rollout instead: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l follow -d 'Whether to follow the rollout to its end' -r -f -a "true\t''
false\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l progress -d 'How progress is shown: auto, tty, plain, json (NDJSON on stdout) or quiet; also `$UPSHIFT_PROGRESS`' -r -f -a "auto\t''
tty\t''
plain\t''
json\t''
quiet\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l color -d 'Whether to use colours: auto, always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l timeout -d 'Stop watching after this time (90s, 10m, 1h30m), with exit code 4; the work goes on' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -s q -l quiet -d 'Say nothing unless something failed'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s o -l output -d 'Print the rollout instead: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l follow -d 'Whether to follow the rollout to its end' -r -f -a "true\t''
false\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l progress -d 'How progress is shown: auto, tty, plain, json (NDJSON on stdout) or quiet; also `$UPSHIFT_PROGRESS`' -r -f -a "auto\t''
tty\t''
plain\t''
json\t''
quiet\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l color -d 'Whether to use colours: auto, always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l timeout -d 'Stop watching after this time (90s, 10m, 1h30m), with exit code 4; the work goes on' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s q -l quiet -d 'Say nothing unless something failed'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from promote" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l from -d 'Tell what was kept of --progress=json instead; - is standard input' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l revision -d 'The number of an application\'s rollout, instead of the last' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l speed -d 'How fast: 1x, 10x, instant' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l progress -d 'How progress is shown: auto, tty, plain, json (NDJSON on stdout) or quiet; also `$UPSHIFT_PROGRESS`' -r -f -a "auto\t''
tty\t''
plain\t''
json\t''
quiet\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l color -d 'Whether to use colours: auto, always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l timeout -d 'Stop watching after this time (90s, 10m, 1h30m), with exit code 4; the work goes on' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -s q -l quiet -d 'Say nothing unless something failed'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from replay" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -s o -l output -d 'Print the deployment config instead of a line: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l again -d 'Keep the images that run, instead of the latest'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l dry-run -d 'Only show what would be done'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from latest" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l to-revision -d 'The number of the version, instead of the last complete one' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l dry-run -d 'Only show what would be done'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand rollout; and __fish_seen_subcommand_from undo" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand promote" -s o -l output -d 'Print the rollout instead: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l follow -d 'Whether to follow the rollout to its end' -r -f -a "true\t''
false\t''"
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l progress -d 'How progress is shown: auto, tty, plain, json (NDJSON on stdout) or quiet; also `$UPSHIFT_PROGRESS`' -r -f -a "auto\t''
tty\t''
plain\t''
json\t''
quiet\t''"
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l color -d 'Whether to use colours: auto, always or never' -r -f -a "auto\t''
always\t''
never\t''"
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l timeout -d 'Stop watching after this time (90s, 10m, 1h30m), with exit code 4; the work goes on' -r
complete -c upshift -n "__fish_upshift_using_subcommand promote" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand promote" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand promote" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand promote" -s q -l quiet -d 'Say nothing unless something failed'
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand promote" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand promote" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand create" -s f -l filename -d 'File, folder or - for stdin, with the objects in YAML or JSON' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -l dry-run -d 'Only show what would be done: none, client (nothing is sent) or server (checked there, not kept)' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -s o -l output -d 'Print the object instead of a line: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -l from-literal -d 'For secrets and config maps: KEY=VALUE' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -l from-file -d 'For secrets and config maps: FILE, or KEY=FILE' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -l validate -d 'Refuse unknown fields: strict, warn or ignore' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand create" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand create" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand create" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand create" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand create" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand create" -s R -l recursive -d 'Also the folders in a folder'
complete -c upshift -n "__fish_upshift_using_subcommand create" -l save-config -d 'Keep the file\'s content with the object, so that a later apply can tell what was removed'
complete -c upshift -n "__fish_upshift_using_subcommand create" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand create" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand create" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand apply" -s f -l filename -d 'File, folder or - for stdin, with the objects in YAML or JSON' -r
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l dry-run -d 'Only show what would be done: none, client (nothing is sent) or server (checked there, not kept)' -r
complete -c upshift -n "__fish_upshift_using_subcommand apply" -s o -l output -d 'Print the object instead of a line: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l validate -d 'Refuse unknown fields: strict, warn or ignore' -r
complete -c upshift -n "__fish_upshift_using_subcommand apply" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand apply" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand apply" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand apply" -s R -l recursive -d 'Also the folders in a folder'
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand apply" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand apply" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand get" -s f -l filename -d 'File, folder or - for stdin, with the objects in YAML or JSON' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -s o -l output -d 'custom-columns=HEADER:PATH,…, json, jsonpath=TEMPLATE, name, wide, yaml' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -s l -l selector -d 'Only objects with these labels: a=b,c!=d,e in (x,y),!f' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -l field-selector -d 'Only objects with these fields: metadata.name=a,status.phase!=Running' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -s L -l label-columns -d 'A column for each of these labels' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -l sort-by -d 'Sort by a JSONPath: .metadata.creationTimestamp' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -l chunk-size -d 'How many objects to ask for at a time; 0 is all at once' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand get" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand get" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand get" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand get" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand get" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand get" -s R -l recursive -d 'Also the folders in a folder'
complete -c upshift -n "__fish_upshift_using_subcommand get" -s w -l watch -d 'List, then follow every change'
complete -c upshift -n "__fish_upshift_using_subcommand get" -l watch-only -d 'Follow changes without listing first'
complete -c upshift -n "__fish_upshift_using_subcommand get" -l output-watch-events -d 'With --watch: a first column that says ADDED, MODIFIED or DELETED'
complete -c upshift -n "__fish_upshift_using_subcommand get" -s A -l all-namespaces -d 'In every project'
complete -c upshift -n "__fish_upshift_using_subcommand get" -l no-headers -d 'Leave out the header line'
complete -c upshift -n "__fish_upshift_using_subcommand get" -l show-labels -d 'A last column with all labels'
complete -c upshift -n "__fish_upshift_using_subcommand get" -l ignore-not-found -d 'Nothing there is no failure'
complete -c upshift -n "__fish_upshift_using_subcommand get" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand get" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand get" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand describe" -s f -l filename -d 'File, folder or - for stdin, with the objects in YAML or JSON' -r
complete -c upshift -n "__fish_upshift_using_subcommand describe" -s l -l selector -d 'Only objects with these labels: a=b,c!=d,e in (x,y),!f' -r
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l field-selector -d 'Only objects with these fields: metadata.name=a,status.phase!=Running' -r
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l show-events -d 'Also what happened to it' -r -f -a "true\t''
false\t''"
complete -c upshift -n "__fish_upshift_using_subcommand describe" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand describe" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand describe" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand describe" -s R -l recursive -d 'Also the folders in a folder'
complete -c upshift -n "__fish_upshift_using_subcommand describe" -s A -l all-namespaces -d 'In every project'
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand describe" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand describe" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand label" -s f -l filename -d 'File, folder or - for stdin, with the objects in YAML or JSON' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -l dry-run -d 'Only show what would be done: none, client (nothing is sent) or server (checked there, not kept)' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -s o -l output -d 'Print the object instead of a line: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -s l -l selector -d 'Only objects with these labels: a=b,c!=d,e in (x,y),!f' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -l field-selector -d 'Only objects with these fields: metadata.name=a,status.phase!=Running' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -l resource-version -d 'Only if the object still has this version' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand label" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand label" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand label" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand label" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand label" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand label" -s R -l recursive -d 'Also the folders in a folder'
complete -c upshift -n "__fish_upshift_using_subcommand label" -l overwrite -d 'Replace values that are there'
complete -c upshift -n "__fish_upshift_using_subcommand label" -l all -d 'All objects of the type'
complete -c upshift -n "__fish_upshift_using_subcommand label" -s A -l all-namespaces -d 'In every project'
complete -c upshift -n "__fish_upshift_using_subcommand label" -l list -d 'Print the labels instead of changing them'
complete -c upshift -n "__fish_upshift_using_subcommand label" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand label" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand label" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -s f -l filename -d 'File, folder or - for stdin, with the objects in YAML or JSON' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l dry-run -d 'Only show what would be done: none, client (nothing is sent) or server (checked there, not kept)' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -s o -l output -d 'Print the object instead of a line: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -s l -l selector -d 'Only objects with these labels: a=b,c!=d,e in (x,y),!f' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l field-selector -d 'Only objects with these fields: metadata.name=a,status.phase!=Running' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l resource-version -d 'Only if the object still has this version' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -s R -l recursive -d 'Also the folders in a folder'
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l overwrite -d 'Replace values that are there'
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l all -d 'All objects of the type'
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -s A -l all-namespaces -d 'In every project'
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l list -d 'Print the annotations instead of changing them'
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand annotate" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l name -d 'The new object\'s name, instead of the old one\'s' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l hostname -d 'The route\'s host name' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l path -d 'Only paths below this one lead through the route' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l port -d 'The port that is exposed: a number, or of a service a name' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l target-port -d 'The pods\' port, if it is another' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l protocol -d 'TCP or UDP' -r -f -a "TCP\t''
UDP\t''"
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l wildcard-policy -d 'The route\'s policy for the names below its host: None or Subdomain' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -s l -l labels -d 'Labels of the new object, instead of the old one\'s' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l dry-run -d 'Only show what would be done: none, client (nothing is sent) or server (checked there, not kept)' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -s o -l output -d 'Print the object instead of a line: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand expose" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand expose" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand expose" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l replicas -d 'How many pods' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l current-replicas -d 'Only if it is to have so many now' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l resource-version -d 'Only if the object still has this version' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -s l -l selector -d 'Only objects with these labels' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l dry-run -d 'Only show what would be done: none, client (nothing is sent) or server (checked there, not kept)' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -s o -l output -d 'Print the object instead of a line: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand scale" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l all -d 'All objects of the type'
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand scale" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand scale" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand delete" -s f -l filename -d 'File, folder or - for stdin, with the objects in YAML or JSON' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -s l -l selector -d 'Only objects with these labels: a=b,c!=d,e in (x,y),!f' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l field-selector -d 'Only objects with these fields: metadata.name=a,status.phase!=Running' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l wait -d 'Wait until the objects are gone' -r -f -a "true\t''
false\t''"
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l timeout -d 'How long to wait; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l cascade -d 'What becomes of the objects that belong to it: background, foreground or orphan' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l dry-run -d 'Only show what would be done: none, client or server' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -s o -l output -d 'Print the names only: name' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l grace-period -d 'Seconds that processes have to end by themselves; -1 leaves it to the server' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand delete" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand delete" -s R -l recursive -d 'Also the folders in a folder'
complete -c upshift -n "__fish_upshift_using_subcommand delete" -s A -l all-namespaces -d 'In every project'
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l all -d 'All objects of the type'
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l ignore-not-found -d 'What is not there is no failure'
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l now -d 'Do not give processes time to end by themselves'
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l force -d 'Say that it is meant; nothing is removed before it is really gone'
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand delete" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand delete" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand logs" -s c -l container -d 'The container, if there are several' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -s l -l selector -d 'All pods with these labels' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l tail -d 'Only so many lines from the end, of hooks of each; -1 is all, with -l 10 unless said otherwise' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l since -d 'Only what is younger, of hooks those that ended later: 5s, 2m, 3h' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l since-time -d 'Only what came after that moment: 2026-11-20T20:44:04Z' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l limit-bytes -d 'At most so many bytes' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l max-log-requests -d 'How many streams to follow at a time with -l' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l pod-running-timeout -d 'How long to wait until a pod is there' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l version -d 'Of bc/NAME or dc/NAME: this build or deployment instead of the newest' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l hook -d 'Of an application or a rollout: only this hook' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l gear -d 'Of an application or a rollout: only this gear, by its name or its node\'s (can be repeated)' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand logs" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand logs" -s f -l follow -d 'Go on until it is over'
complete -c upshift -n "__fish_upshift_using_subcommand logs" -s p -l previous -d 'What the container printed before it was started again; of dc/NAME, the deployment before'
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l all-containers -d 'All containers of the pod'
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l timestamps -d 'Each line with the moment at which it came'
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l prefix -d 'Each line with its pod and container'
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand logs" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand logs" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand exec" -s c -l container -d 'The container of the pod; without it, the first one' -r
complete -c upshift -n "__fish_upshift_using_subcommand exec" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand exec" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand exec" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand exec" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand exec" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand exec" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand exec" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand exec" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand exec" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand exec" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand exec" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand exec" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand exec" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand exec" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand exec" -s i -l stdin -d 'Pass standard input to the command'
complete -c upshift -n "__fish_upshift_using_subcommand exec" -s t -l tty -d 'With -i: give the command a terminal, this one'
complete -c upshift -n "__fish_upshift_using_subcommand exec" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand exec" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand exec" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c upshift -n "__fish_upshift_using_subcommand wait" -s f -l filename -d 'File, folder or - for stdin, with the objects in YAML or JSON' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l for -d 'create, delete, condition=NAME[=STATUS] or jsonpath=\'{PATH}\'[=VALUE]' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l timeout -d 'How long to wait' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -s l -l selector -d 'Only objects with these labels: a=b,c!=d,e in (x,y),!f' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l field-selector -d 'Only objects with these fields: metadata.name=a,status.phase!=Running' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand wait" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand wait" -s R -l recursive -d 'Also the folders in a folder'
complete -c upshift -n "__fish_upshift_using_subcommand wait" -s A -l all-namespaces -d 'In every project'
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l all -d 'All objects of the type'
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand wait" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand wait" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand patch" -s f -l filename -d 'File, folder or - for stdin, with the objects in YAML or JSON' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l dry-run -d 'Only show what would be done: none, client (nothing is sent) or server (checked there, not kept)' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -s o -l output -d 'Print the object instead of a line: json, yaml, name, jsonpath=TEMPLATE' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -s p -l patch -d 'The patch, in JSON or YAML' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l patch-file -d 'A file with the patch' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l type -d 'json, merge or strategic; default strategic for the kinds of Kubernetes, merge for others' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l subresource -d 'Patch this part of the object instead: status' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand patch" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand patch" -s R -l recursive -d 'Also the folders in a folder'
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand patch" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand patch" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -s l -l selector -d 'The nodes with these labels: a=b,c!=d,e in (x,y),!f' -r
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand cordon" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -s l -l selector -d 'The nodes with these labels: a=b,c!=d,e in (x,y),!f' -r
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand uncordon" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l api-group -d 'Only kinds of this group' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l namespaced -d 'Only kinds that live in a namespace (true) or do not (false)' -r -f -a "true\t''
false\t''"
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -s o -l output -d 'name, or wide' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l no-headers -d 'Leave out the header line'
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand api-resources" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand api-versions" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l listen -d 'Where to listen' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l router-listen -d 'Where to take requests for routes' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l bandwidth -d 'What downloads of bundles and images take together, at most, per second: bytes, or with K, M or G' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l downloads -d 'How many downloads run at once' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l haproxy -d 'Steer the HAProxy with this runtime API socket (a path, or tcp:HOST:PORT), as the router NAME' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand serve" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l no-router -d 'Serve no routes and no service addresses'
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l no-node -d 'This machine is no node of the server'
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l stop -d 'Stop the server that runs in the data dir'
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand serve" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand serve" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l join -d 'The file that `node token create` wrote; needed once' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l name -d 'Which node this is, on a machine that joined as several' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l allow -d 'Run the programs of this namespace, as this user; an agent that is not root can only be itself' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l address -d 'The address that others reach this machine at' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l bandwidth -d 'What downloads of bundles and images take together, at most, per second: bytes, or with K, M or G' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l downloads -d 'How many downloads run at once' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l haproxy -d 'Steer the HAProxy with this runtime API socket (a path, or tcp:HOST:PORT), as the router NAME' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l root -d 'Keep bundles here, unless their application says where; one agent a folder' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l label -d 'Label the node; only when it joins, and only if its token gives it no labels' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l print-unit -d 'Print a systemd unit that runs this agent, and do nothing else'
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -f -a "token" -d 'Tokens that let machines in'
complete -c upshift -n "__fish_upshift_using_subcommand node; and not __fish_seen_subcommand_from token remove" -f -a "remove" -d 'Remove a node: what is under way there is aborted, its gears are released, its certificate is no longer good'
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from token" -f -a "create" -d 'Write a file that lets one machine in, once, under that name'
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l timeout -d 'How long the node may take to end what it has under way; then it is shut out nevertheless' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -s y -l yes -d 'Do not ask'
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand node; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c upshift -n "__fish_upshift_using_subcommand router" -l listen -d 'Where to take requests for routes' -r
complete -c upshift -n "__fish_upshift_using_subcommand router" -l name -d 'The name of its Router object; each router has its own' -r
complete -c upshift -n "__fish_upshift_using_subcommand router" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand router" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand router" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand router" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand router" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand router" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand router" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand router" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand router" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand router" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand router" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand router" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand router" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand router" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand router" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand router" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand router" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -f -a "view" -d 'Display merged kubeconfig settings; secrets are left out'
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -f -a "current-context" -d 'Display the current context'
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -f -a "use-context" -d 'Set the current context'
complete -c upshift -n "__fish_upshift_using_subcommand config; and not __fish_seen_subcommand_from view current-context use-context get-contexts" -f -a "get-contexts" -d 'Describe one or many contexts'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -s o -l output -d 'json or yaml' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l raw -d 'Show certificates and secrets too'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l minify -d 'Only what the current context uses'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from view" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from current-context" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from use-context" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -s o -l output -d 'name: only the names' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l no-headers -d 'Leave out the header line'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand config; and __fish_seen_subcommand_from get-contexts" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -s t -l show-token -d 'Print the token that this session uses'
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -s c -l show-context -d 'Print the name of the current context'
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l show-server -d 'Print the server\'s address'
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand whoami" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand completion" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand completion" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand completion" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand completion" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand completion" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand completion" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand completion" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand completion" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand completion" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand completion" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand completion" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand completion" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand completion" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand completion" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand completion" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand completion" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand completion" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand version" -s o -l output -d 'json or yaml' -r
complete -c upshift -n "__fish_upshift_using_subcommand version" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand version" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand version" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand version" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand version" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand version" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand version" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand version" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand version" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand version" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand version" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand version" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand version" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand version" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand version" -l client -d 'Only the client\'s version; no server is asked'
complete -c upshift -n "__fish_upshift_using_subcommand version" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand version" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand version" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand options" -s n -l namespace -d 'The project of this call, instead of the current one' -r
complete -c upshift -n "__fish_upshift_using_subcommand options" -l data-dir -d 'The folder of the embedded server' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand options" -s s -l server -d 'The address of the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand options" -l token -d 'Bearer token for the API server' -r
complete -c upshift -n "__fish_upshift_using_subcommand options" -l kubeconfig -d 'The kubeconfig file to use' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand options" -l context -d 'The context of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand options" -l cluster -d 'The cluster of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand options" -l user -d 'The user of the kubeconfig to use' -r
complete -c upshift -n "__fish_upshift_using_subcommand options" -l certificate-authority -d 'File with the authorities that may have signed the server\'s certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand options" -l client-certificate -d 'File with the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand options" -l client-key -d 'File with the key of the client certificate' -r -F
complete -c upshift -n "__fish_upshift_using_subcommand options" -l tls-server-name -d 'The name to expect in the server\'s certificate' -r
complete -c upshift -n "__fish_upshift_using_subcommand options" -l request-timeout -d 'How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever' -r
complete -c upshift -n "__fish_upshift_using_subcommand options" -s v -l v -l loglevel -d 'How much to tell about requests, 0 to 10' -r
complete -c upshift -n "__fish_upshift_using_subcommand options" -l local -d 'Use the embedded server of this machine, whatever the kubeconfig says'
complete -c upshift -n "__fish_upshift_using_subcommand options" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate; anybody can then read and change what is sent'
complete -c upshift -n "__fish_upshift_using_subcommand options" -s h -l help -d 'Print help'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "new-project" -d 'Request a new project'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "project" -d 'Switch to another project'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "projects" -d 'Display existing projects'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "status" -d 'Show an overview of the current project'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "new-app" -d 'Create a new application from source code or an image'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "new-build" -d 'Create a new build configuration from source code'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "start-build" -d 'Start a new build'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "cancel-build" -d 'Cancel running, pending, or new builds'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "deploy" -d 'Deploy a directory, an archive or a git repository to the hosts of an application'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "rollback" -d 'Bring back the revision before'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "rollout" -d 'Follow and steer the rollouts of an application or a deployment config'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "promote" -d 'Let the other gears follow the canary, and follow the rollout'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "create" -d 'Create a resource from a file or from stdin'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "apply" -d 'Apply a configuration to a resource by file name or stdin'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "get" -d 'Display one or many resources'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "describe" -d 'Show details of a specific resource or group of resources'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "label" -d 'Update the labels on a resource'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "annotate" -d 'Update the annotations on a resource'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "expose" -d 'Expose a replicated application as a service or route'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "scale" -d 'Set a new size for a deployment, replica set, or replication controller'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "delete" -d 'Delete resources by file names, names, or label selectors'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "logs" -d 'Print the logs for a resource'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "exec" -d 'Execute a command in a container of a pod, or on a node'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "wait" -d 'Wait for a specific condition on one or many resources'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "patch" -d 'Update fields of a resource'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "cordon" -d 'Mark nodes as unschedulable: no new gear or pod goes there'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "uncordon" -d 'Mark nodes as schedulable'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "api-resources" -d 'Print the supported API resources on the server'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "api-versions" -d 'Print the supported API versions on the server, in the form of "group/version"'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "serve" -d 'Run the embedded server: API, registry, controllers, a router and a node'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "node" -d 'Run a node agent on this machine, or let other machines in'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "router" -d 'Run a router alone: it serves the routes of a server that runs elsewhere'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "config" -d 'Show the kubeconfig and change the context in use'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "whoami" -d 'Return information about the current session'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "completion" -d 'Output shell completion code for the specified shell (bash, zsh, fish, powershell, elvish)'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "version" -d 'Print the client and server version information'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "options" -d 'List the global command-line options'
complete -c upshift -n "__fish_upshift_using_subcommand help; and not __fish_seen_subcommand_from new-project project projects status new-app new-build start-build cancel-build deploy rollback rollout promote create apply get describe label annotate expose scale delete logs exec wait patch cordon uncordon api-resources api-versions serve node router config whoami completion version options help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "status" -d 'Show how a rollout stands, and follow it to its end'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "history" -d 'Show the rollouts of an application, oldest first'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "pause" -d 'Change what is wanted of the rollout under way'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "resume" -d 'Change what is wanted of the rollout under way'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "cancel" -d 'Change what is wanted of the rollout under way'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "retry" -d 'Try the gears again that failed in the last rollout, and follow it'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "promote" -d 'Let the other gears follow the canary, and follow the rollout'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "replay" -d 'Tell a past rollout again, with its steps, its output and its exit code'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "latest" -d 'Start a new rollout of a deployment config with its latest images'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from rollout" -f -a "undo" -d 'Bring back an earlier version of a deployment config'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from node" -f -a "token" -d 'Tokens that let machines in'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from node" -f -a "remove" -d 'Remove a node: what is under way there is aborted, its gears are released, its certificate is no longer good'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "view" -d 'Display merged kubeconfig settings; secrets are left out'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "current-context" -d 'Display the current context'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "use-context" -d 'Set the current context'
complete -c upshift -n "__fish_upshift_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "get-contexts" -d 'Describe one or many contexts'
