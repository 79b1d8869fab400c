package main

const appHelp = `bgswitch: {{.Usage}}

USAGE
   bgswitch to blue|green     switch, and prove it
   bgswitch back              to the color that had the traffic before
   bgswitch status            where the traffic is, and what stands ready
   bgswitch check [COLOR]     ask a color now, and show every question and answer
   bgswitch drain [COLOR]     whether the idle color may be stopped
   bgswitch drill             practise: there and back, measured
   bgswitch block COLOR       let nobody go to a color, and say why; unblock lifts it
   bgswitch releases [prune]  what the colors carry; prune removes the oldest releases
   bgswitch history           the switches so far
   bgswitch settings check    mistakes in the settings; show and example print them
   bgswitch verify            one line for cron and monitoring

   Flags may stand anywhere; each command lists its own: bgswitch to --help

{{.Description}}
`

const commandHelp = commandHelpHead + exitStatus + "\n"

const commandHelpHead = `bgswitch {{.Name}}: {{.Usage}}

USAGE
   bgswitch {{.Name}} {{.ArgsUsage}}

{{.Description}}

FLAGS
{{range .VisibleFlags}}   {{.}}
{{end}}
`
