using System.Text.Json;
using RlHarness.Tests;
using RlHarness.Tracking.Tests.Store;

namespace RlHarness.Cli.Tests;

[Trait("kind", "contract")]
public class CommandTests
{
    [Fact]
    public void A_dry_run_leads_with_costs_and_power_and_writes_nothing()
    {
        using var folder = new TemporaryFolder();
        var config = Repository.At("configs", "quickstart.yaml");
        var result = Harness.Run(folder.Path, "train", config, "--dry-run", "device=cpu", "evaluate.queries=20");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        foreach (
            var words in new[]
            {
                "imitate",
                "reward",
                "GFLOPS",
                "20 paired queries",
                "warning: 20 queries can miss the paper's gap of 11.3 points before RL",
                "nothing was written",
            }
        )
            Assert.Contains(words, result.Output, StringComparison.Ordinal);
        Assert.True(result.Output.IndexOf("memory, GiB", StringComparison.Ordinal) < result.Output.IndexOf("paired queries", StringComparison.Ordinal));
        Assert.DoesNotContain("name: quickstart", result.Output, StringComparison.Ordinal);
        var all = Harness.Run(folder.Path, "train", config, "--dry-run", "--settings", "device=cpu").Output;
        Assert.True(all.IndexOf("memory, GiB", StringComparison.Ordinal) < all.IndexOf("name: quickstart", StringComparison.Ordinal));
        Harness.Run(folder.Path, "train", config, "--settings").Fails(2, "--settings", "--dry-run");
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void Doctor_says_which_libtorch_was_loaded()
    {
        using var folder = new TemporaryFolder();
        var result = Harness.Run(folder.Path, "doctor", "--json");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        var json = JsonDocument.Parse(result.Output).RootElement;
        Assert.True(json.GetProperty("libtorch_loaded").GetBoolean());
        Assert.Equal(Environment.ProcessorCount, json.GetProperty("cores").GetInt32());
        foreach (var name in new[] { "memory_gib", "memory_available_gib", "disk_free_gib" })
            Assert.True(json.GetProperty(name).GetDouble() > 0);
        Assert.DoesNotContain(json.EnumerateObject(), p => p.Name.EndsWith("_b", StringComparison.Ordinal));
    }

    [Fact]
    public void A_model_answers_the_same_alone_as_among_several_samples()
    {
        var model = Golden.RequireModel("SmolLM2-135M-Instruct-GGUF");
        using var folder = new TemporaryFolder();
        var one = Harness.Run(folder.Path, "generate", model, "--prompt", "Say hello.", "--max-new-tokens", "4", "--device", "cpu");
        var two = Harness.Run(folder.Path, "generate", model, "--prompt", "Say hello.", "--max-new-tokens", "4", "--device", "cpu", "--samples", "2");
        Assert.Equal((0, 0), (one.ExitCode, two.ExitCode));
        Assert.NotEmpty(one.Output.Trim());
        Assert.Contains(one.Output.Trim(), two.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Inspect_exits_with_1_when_something_is_not_supported()
    {
        using var folder = new TemporaryFolder();
        var result = Harness.Run(folder.Path, "model", "inspect", Golden.Require("models", "olmo2"), "--json");
        Assert.Equal(1, result.ExitCode);
        Assert.Equal("olmo2", JsonDocument.Parse(result.Output).RootElement.GetProperty("family").GetString());
    }

    [Fact]
    public void Verify_exits_with_1_when_a_model_is_not_the_reference_s()
    {
        using var folder = new TemporaryFolder();
        var expected = Golden.Require("models", "llama", "expected.safetensors");
        var same = Harness.Run(folder.Path, "model", "verify", Golden.Require("models", "llama"), "--against", expected, "--device", "cpu", "--json");
        Assert.Equal((0, ""), (same.ExitCode, same.Error));
        Assert.True(JsonDocument.Parse(same.Output).RootElement.GetProperty("passed").GetBoolean());
        var other = Harness.Run(folder.Path, "model", "verify", Golden.Require("models", "llama_linear_rope"), "--against", expected, "--device", "cpu");
        Assert.Equal(1, other.ExitCode);
        Assert.Contains("FAILED", other.Output, StringComparison.Ordinal);
        Harness.Run(folder.Path, "model", "verify", Golden.Require("models", "llama"), "--against", "none.safetensors").Fails(3, "none.safetensors");
    }

    [Fact]
    public void Convert_writes_once_and_refuses_to_overwrite()
    {
        using var folder = new TemporaryFolder();
        var arguments = new[] { "model", "convert", Golden.Require("models", "qwen3"), "q.gguf", "--type", "q8_0" };
        var result = Harness.Run(folder.Path, arguments);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Contains("q8_0", result.Output, StringComparison.Ordinal);
        Harness.Run(folder.Path, arguments).Fails(2, "q.gguf is there already");
        Harness.Run(folder.Path, "model", "convert", Golden.Require("models", "gemma3_text"), "g.gguf").Fails(3, "can't be written as GGUF", "gemma3_text");
        Assert.Equal(["q.gguf"], Directory.GetFileSystemEntries(folder.Path).Select(p => Path.GetFileName(p)!));
    }

    [Fact]
    public void Shipped_packs_are_found_from_any_folder_and_a_pack_with_problems_exits_with_1()
    {
        using var folder = new TemporaryFolder();
        var list = Harness.Run(folder.Path, "pack", "list");
        Assert.Equal((0, ""), (list.ExitCode, list.Error));
        Assert.Contains("puffery 1: 400 train and 400 evaluation queries", list.Output, StringComparison.Ordinal);
        Assert.Contains("animal-welfare 1:", list.Output, StringComparison.Ordinal);
        var good = Harness.Run(folder.Path, "pack", "check", "puffery");
        Assert.Equal((0, ""), (good.ExitCode, good.Error));
        Assert.EndsWith("no problems", good.Output.Trim(), StringComparison.Ordinal);
        folder.Write("mine/pack.yaml", "name: mine\nrolle: a\n");
        var bad = Harness.Run(folder.Path, "pack", "check", "mine");
        Assert.Equal((1, ""), (bad.ExitCode, bad.Error));
        foreach (
            var words in new[] { "pack.yaml:2: rolle", "did you mean role?", "queries.jsonl: file", "answer.with_scratchpad", "found:", "expected:", "do:" }
        )
            Assert.Contains(words, bad.Output, StringComparison.Ordinal);
        Harness.Run(folder.Path, "pack", "check", "none").Fails(2, "prompt pack none is not there", "puffery");
    }

    [Fact]
    public void A_design_lists_its_cells_before_anything_is_run()
    {
        using var folder = new TemporaryFolder();
        // Not from the repository's folder: the program brings its configurations along.
        var result = Harness.Run(folder.Path, "experiment", "factorial", "configs/factorial.yaml", "--dry-run");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Contains("24 runs, 0 finished before, 2 at a time", result.Output, StringComparison.Ordinal);
        Assert.Matches(@"imitate .* 3 runs; 21 take it from the cache", result.Output);
        Assert.Contains("200 paired queries can see in each of 24 runs", result.Output, StringComparison.Ordinal);
        Assert.Equal(24, result.Output.Split('\n').Count(l => l.TrimEnd().EndsWith(": to be run", StringComparison.Ordinal)));
        Assert.Contains("objective-absent_information-present_scratchpad-absent-seed3", result.Output, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void Every_command_that_reads_a_run_takes_one_of_schema_version_1()
    {
        using var folder = new TemporaryFolder();
        var run = LabelledRun.Write(folder.Path, 40);
        var database = Path.Combine(run, "run.db");
        FirstVersion.Make(database);
        foreach (
            var args in new string[][]
            {
                ["status", folder.Path, "--json"],
                ["report", run, "--quiet"],
                ["export", run, "--out", "out", "--json"],
                ["export", run, "--format", "inspect", "--out", "logs"],
                ["export", run, "--format", "csv", "--out", "csv"],
                ["checkpoint", "list", run, "--json"],
            }
        )
        {
            var result = Harness.Run(folder.Path, args);
            Assert.True(result.ExitCode == 0, $"{string.Join(' ', args)}: {result.Error}");
            if (args[^1] == "--json")
                JsonDocument.Parse(result.Output).Dispose();
        }

        Assert.Contains("\"reasoning_kind\":\"faking\"", File.ReadAllText(folder.At("out/labels.jsonl")), StringComparison.Ordinal);
        // This one writes, and brings the store along.
        Assert.Equal(0, Harness.RunWith(folder.Path, "cf\ncf\n", "label", run, "--rater", "anna", "--sample", "2").ExitCode);
        var labels = Harness.Run(folder.Path, "label", run, "--report");
        Assert.Equal((0, ""), (labels.ExitCode, labels.Error));
        Assert.Equal(0, Harness.Run(folder.Path, "report", run).ExitCode);
    }

    [Fact]
    public void Programs_read_json_of_whatever_a_person_reads_as_a_table()
    {
        using var folder = new TemporaryFolder();
        JsonElement Json(params string[] args)
        {
            var result = Harness.Run(folder.Path, [.. args, "--json"]);
            Assert.Equal((0, ""), (result.ExitCode, result.Error));
            return JsonDocument.Parse(result.Output).RootElement;
        }

        Assert.Contains("puffery", Json("pack", "list").EnumerateArray().Select(p => p.GetProperty("name").GetString()));
        Assert.Equal(0, Json("pack", "check", "puffery").GetProperty("problems").GetArrayLength());
        Assert.Equal(0, Json("cache", "list").GetArrayLength());
        Assert.True(Json("power", "--queries", "359").GetProperty("effects").GetArrayLength() > 5);
        var plan = Json("train", "quickstart", "--dry-run", "device=cpu");
        Assert.Equal(["corpus", "imitate", "reward", "rl"], plan.GetProperty("stages").EnumerateArray().Select(s => s.GetProperty("stage").GetString()));
        Assert.Equal(0, plan.GetProperty("warnings").GetArrayLength());
        Assert.True(plan.GetProperty("all").GetProperty("memory_gib").GetDouble() > 0.5);
        // Seven billion parameters are planned from their shape, on machines that could not hold them; RunPlanTests has the numbers.
        const string shape = "model.new={hidden_size: 4096, intermediate_size: 11008, num_hidden_layers: 32, num_attention_heads: 32, num_key_value_heads: 32}";
        plan = Json("train", "quickstart", "--dry-run", "device=cpu", "model.precision=bfloat16", shape, "rl.adapter={}", "rl.critic=body");
        Assert.InRange(plan.GetProperty("all").GetProperty("memory_gib").GetDouble(), 140, 190);
    }

    [Fact]
    public async Task Bash_completes_commands_options_packs_and_keys_of_settings()
    {
        Assert.SkipUnless(File.Exists("/bin/bash") || File.Exists("/usr/bin/bash"), "bash is not there");
        using var folder = new TemporaryFolder();
        folder.Write("bin/rlharness", $"#!/bin/sh\nexec dotnet '{Path.Combine(AppContext.BaseDirectory, "rlharness.dll")}' \"$@\"\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(folder.At("bin/rlharness"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        // What bash calls when Tab is pressed, with the variables that it sets.
        folder.Write(
            "complete",
            """
            source <(rlharness completion bash)
            complete_line() {
                COMP_LINE=$1 COMP_POINT=${#1}
                read -r -a COMP_WORDS <<< "$1"
                [[ $1 != *' ' ]] || COMP_WORDS+=("")
                COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
                compopt() { echo "compopt $1 $2"; }
                _rlharness_complete
                echo "$1| ${COMPREPLY[*]}"
            }
            complete -p rlharness
            complete_line "rlharness rep"
            complete_line "rlharness train quickstart --dry"
            complete_line "rlharness train quickstart rl.optimizer.learn"
            complete_line "rlharness pack check puf"
            complete_line "rlharness export run --for"
            complete_line "rlharness train conf"
            """
        );
        var start = new System.Diagnostics.ProcessStartInfo("bash")
        {
            ArgumentList = { "complete" },
            WorkingDirectory = folder.Path,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PATH"] = folder.At("bin") + ":" + Environment.GetEnvironmentVariable("PATH");
        using var bash = System.Diagnostics.Process.Start(start)!;
        var error = bash.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = (await bash.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).ReplaceLineEndings("\n");
        await bash.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal("", await error);
        Assert.Contains("-F _rlharness_complete rlharness", output, StringComparison.Ordinal);
        Assert.Contains("rlharness rep| report\n", output, StringComparison.Ordinal);
        Assert.Contains("rlharness train quickstart --dry| --dry-run\n", output, StringComparison.Ordinal);
        // A key wants no blank behind its equals sign.
        Assert.Contains("compopt -o nospace\nrlharness train quickstart rl.optimizer.learn| rl.optimizer.learning_rate=\n", output, StringComparison.Ordinal);
        Assert.Contains("rlharness pack check puf| puffery\n", output, StringComparison.Ordinal);
        Assert.Contains("rlharness export run --for| --format\n", output, StringComparison.Ordinal);
        // Nothing: bash completes names of files.
        Assert.Contains("rlharness train conf| \n", output, StringComparison.Ordinal);
    }

    /// <summary>Each shell that is there reads its script; a script of one that is not is printed all the same.</summary>
    [Fact]
    public void Each_shell_s_script_is_one_that_the_shell_reads()
    {
        using var folder = new TemporaryFolder();
        var read = 0;
        foreach (var shell in new[] { "bash", "zsh", "fish", "pwsh" })
        {
            var script = Harness.Run(folder.Path, "completion", shell);
            Assert.Equal((0, ""), (script.ExitCode, script.Error));
            Assert.Contains("[suggest:", script.Output, StringComparison.Ordinal);
            if (new[] { "/bin/", "/usr/bin/", "/usr/local/bin/" }.Select(p => p + shell).FirstOrDefault(File.Exists) is not { } path)
                continue;
            folder.Write("script", script.Output);
            string[] check = shell == "pwsh" ? ["-NoProfile", "-File", folder.At("script")] : ["-n", folder.At("script")];
            using var process = System.Diagnostics.Process.Start(path, check);
            process.WaitForExit();
            Assert.Equal(0, process.ExitCode);
            read++;
        }

        Assert.SkipUnless(read > 0, "no shell is there to read its script");
    }

    [Theory]
    [InlineData("quickstart.yaml")]
    [InlineData("documents.yaml")]
    public void A_shipped_configuration_is_planned_without_a_problem(string name)
    {
        using var folder = new TemporaryFolder();
        var result = Harness.Run(folder.Path, "train", Repository.At("configs", name), "--dry-run", "device=cpu");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.DoesNotContain("warning", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Power_says_what_a_design_can_see()
    {
        using var folder = new TemporaryFolder();
        var result = Harness.Run(folder.Path, "power", "--queries", "359", "--seeds", "3");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        // Connor's formula: 359 queries for 5 points at 11.5 % discordant pairs.
        Assert.Matches(@"gap of 5 points .*\b359\b", result.Output);
        Assert.Contains("McNemar): 5.0 points", result.Output, StringComparison.Ordinal);
        Harness.Run(folder.Path, "power", "--discordant", "1.5").Fails(2, "--discordant", "1.5");
    }

    [Fact]
    public void Simulate_writes_the_same_page_twice()
    {
        using var folder = new TemporaryFolder();
        var first = Harness.Run(folder.Path, "simulate", "--only", "rates/null", "--experiments", "300", "--out", "a.md");
        Assert.Equal(0, first.ExitCode);
        Harness.Run(folder.Path, "simulate", "--only", "rates/null", "--experiments", "300", "--out", "b.md");
        Assert.Equal(File.ReadAllText(Path.Combine(folder.Path, "a.md")), File.ReadAllText(Path.Combine(folder.Path, "b.md")));
        Harness.Run(folder.Path, "simulate", "--only", "nothing").Fails(2, "--only names no study");
    }

    [Fact]
    public void Labels_are_read_from_lines_and_the_report_compares_raters_with_detectors()
    {
        using var folder = new TemporaryFolder();
        var run = LabelledRun.Write(folder.Path, transcripts: 6);
        var first = Harness.RunWith(folder.Path, "cf\nnonsense\nrh\nq\n", "label", run, "--rater", "anna");
        Assert.Equal((0, ""), (first.ExitCode, first.Error));
        Assert.Contains("2 of 6 labelled; the same command goes on", first.Output, StringComparison.Ordinal);
        // Blind: neither tier, step, nor a detector's name is shown.
        foreach (var hidden in new[] { "Training", "training", "Unmonitored", "unmonitored", "keyword", "step" })
            Assert.DoesNotContain(hidden, first.Output.Replace("speaks of training", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("6 of 6 labelled", Harness.RunWith(folder.Path, "rr\nrr\nrr\nrr\n", "label", run, "--rater", "anna").Output, StringComparison.Ordinal);
        Harness.RunWith(folder.Path, "cf\nrh\nrr\nrr\nrr\ncf\n", "label", run, "--rater", "bo");
        var report = Harness.Run(folder.Path, "label", run, "--report");
        Assert.Equal((0, ""), (report.ExitCode, report.Error));
        foreach (var words in new[] { "rater:anna and rater:bo, 6 transcripts", "kappa, six ways", "keyword against rater:bo", "AF rates corrected" })
            Assert.Contains(words, report.Output, StringComparison.Ordinal);
        Harness.Run(folder.Path, "label", run).Fails(2, "who labels?", "--rater");
        // The page gives a file, which is read back.
        var page = Path.Combine(folder.Path, "cy.html");
        Assert.Contains("6 transcripts to label", Harness.Run(folder.Path, "label", run, "--rater", "cy", "--page", page).Output, StringComparison.Ordinal);
        var key = System.Text.RegularExpressions.Regex.Match(File.ReadAllText(page), "\"key\":\"([0-9a-f]{16})\"").Groups[1].Value;
        File.WriteAllText(
            Path.Combine(folder.Path, "labels-cy.json"),
            $$"""{"format":"rlharness-labels-1","rater":"cy","labels":[{"key":"{{key}}","outcome":"comply","reasoning":"faking"}]}"""
        );
        Assert.Contains(
            "1 labels by cy",
            Harness.Run(folder.Path, "label", run, "--import", Path.Combine(folder.Path, "labels-cy.json")).Output,
            StringComparison.Ordinal
        );
        Assert.Contains("all 3 raters", Harness.Run(folder.Path, "label", run, "--report").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Help_teaches_with_examples()
    {
        using var folder = new TemporaryFolder();
        foreach (var command in new[] { "train", "resume", "eval", "report", "export", "label", "power", "simulate", "generate", "doctor" })
            Assert.Contains("rlharness " + command, Harness.Run(folder.Path, command, "--help").Output, StringComparison.Ordinal);
        var all = Harness.Run(folder.Path, "--help").Output;
        Assert.Contains("Exit codes:", all, StringComparison.Ordinal);
        // What an argument can be completed to is no name for it.
        Assert.Contains("train <config> <key=value>", all, StringComparison.Ordinal);
        Assert.Contains("<pack>", Harness.Run(folder.Path, "pack", "show", "--help").Output, StringComparison.Ordinal);
        Assert.Matches(@"^\d+\.\d+\.\d+", Harness.Run(folder.Path, "--version").Output);
    }

    [Fact]
    public void Every_exit_code_and_command_is_in_the_documentation()
    {
        var page = File.ReadAllText(Repository.At("docs", "cli.md"));
        foreach (var code in Enum.GetValues<ExitCode>())
            Assert.Contains($"| {(int)code} |", page, StringComparison.Ordinal);
        foreach (
            var command in new[]
            {
                "train",
                "resume",
                "eval",
                "report",
                "label",
                "detector train",
                "probe",
                "power",
                "simulate",
                "generate",
                "model inspect",
                "model verify",
                "model convert",
                "doctor",
                "pack check",
                "pack list",
                "pack queries",
                "experiment factorial",
            }
        )
            Assert.Contains($"`{command}", page, StringComparison.Ordinal);
    }
}
