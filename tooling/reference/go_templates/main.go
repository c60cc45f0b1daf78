// Renders conversations with Go templates as Ollama does (text/template, messages with Role and Content), to make
// packages/data/test/goldens/go-templates.json of what the test of go-template.ts writes:
//
//	JORA_WRITE_GO_TEMPLATES=/tmp/in.json npx vitest run packages/data/src/prompt/go-template.test.ts
//	GO111MODULE=off go run ./tooling/reference/go_templates < /tmp/in.json > packages/data/test/goldens/go-templates.json
//
// and likewise apps/cli/test/model/go-prompts.json of one-prompt.test.ts beside it.
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type input struct {
	Templates     map[string]string `json:"templates"`
	Conversations [][]message       `json:"conversations"`
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	var in input
	check(json.NewDecoder(os.Stdin).Decode(&in))
	texts := map[string][]string{}
	for name, source := range in.Templates {
		parsed, err := template.New(name).Parse(source)
		check(err)
		for _, messages := range in.Conversations {
			var out strings.Builder
			check(parsed.Execute(&out, map[string]any{"Messages": messages}))
			texts[name] = append(texts[name], out.String())
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	check(encoder.Encode(map[string]any{"templates": in.Templates, "conversations": in.Conversations, "texts": texts}))
}
