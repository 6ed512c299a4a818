using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Files;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.PackChecks;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;

namespace RlHarness.Cli.Commands;

internal static class PackCommand
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal static Command Create() => new("pack", "Prompt packs: the words of an experiment, in a folder (docs/packs.md).") { Check(), List(), Queries() };

    private static Command Check()
    {
        var name = new Argument<string>("pack") { Description = "A pack's name, or its folder." };
        var queries = new Option<int>("--queries")
        {
            Description = "Fewest queries of each split; 0 to 1000000.",
            DefaultValueFactory = _ => PackCheck.DefaultQueries,
        };
        var transcripts = new Option<int>("--transcripts")
        {
            Description = "Transcripts that are generated for the oracle to read; 20 to 1000000.",
            DefaultValueFactory = _ => PackCheck.DefaultTranscripts,
        };
        var json = Options.Json();
        var command = new Command(
            "check",
            "Say all that is wrong with a pack: keys, counts, duplicates, overlap and near-duplicates of the splits, slots and phrases of "
                + "the grammar, whether the oracle reads generated transcripts as they were meant, and whether scenarios can be counted and are "
                + "read as they are written. Exit code 1 when something is.\n\nExamples:\n  rlharness pack check puffery\n  rlharness pack "
                + "check my/pack --queries 50"
        )
        {
            name.WithPacks(),
            queries,
            transcripts,
            json,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var fewest = Options.Within("--queries", parsed.GetValue(queries), 0, 1000000);
                var check = PackCheck.Of(
                    PackLibrary.Find(parsed.GetValue(name)!),
                    fewest,
                    Options.Within("--transcripts", parsed.GetValue(transcripts), 20, 1000000)
                );
                if (parsed.GetValue(json))
                {
                    JsonOutput.Print(new { check.Facts, Problems = check.Problems.Select(p => p.ToString()) });
                    return check.Problems.Count == 0 ? 0 : (int)ExitCode.CheckFailed;
                }

                foreach (var fact in check.Facts)
                    Console.WriteLine(fact);
                foreach (var problem in check.Problems)
                    Console.WriteLine("- " + problem);
                Console.WriteLine(check.Problems.Count == 0 ? "no problems" : $"{check.Problems.Count} problem{(check.Problems.Count == 1 ? "" : "s")}");
                return check.Problems.Count == 0 ? 0 : (int)ExitCode.CheckFailed;
            })
        );
        return command;
    }

    private static Command List()
    {
        var json = Options.Json();
        var command = new Command(
            "list",
            "List the packs that can be found by name: below RLHARNESS_PACKS, ./packs, and beside the program.\n\nExample:\n  rlharness pack list"
        )
        {
            json,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                if (parsed.GetValue(json))
                {
                    JsonOutput.Print(PackLibrary.Names().Select(Row));
                    return 0;
                }

                foreach (var name in PackLibrary.Names())
                {
                    var (pack, problems) = PackReader.Read(PackLibrary.Find(name));
                    Console.WriteLine(
                        pack is null
                            ? $"{name}: {problems.Count} problems; see rlharness pack check {name}"
                            : $"{name} {pack.Version}: {pack.TrainQueries.Count} train and {pack.EvaluationQueries.Count} evaluation "
                                + $"queries{Scenarios(pack)}; {pack.Manifest.Description}"
                    );
                }

                return 0;
            })
        );
        return command;
    }

    private static object Row(string name)
    {
        var folder = PackLibrary.Find(name);
        var (pack, problems) = PackReader.Read(folder);
        return new
        {
            Name = name,
            Folder = folder,
            pack?.Version,
            pack?.Manifest.Description,
            TrainQueries = pack?.TrainQueries.Count,
            EvaluationQueries = pack?.EvaluationQueries.Count,
            AntiLabScenarios = pack?.Scenarios(ScenarioGroup.AntiLab).Count,
            StatedPreferences = pack?.Scenarios(ScenarioGroup.Preference).Count,
            Problems = problems.Select(p => p.ToString()),
        };
    }

    private static string Scenarios(PromptPack pack)
    {
        var (antiLab, preferences) = (pack.Scenarios(ScenarioGroup.AntiLab).Count, pack.Scenarios(ScenarioGroup.Preference).Count);
        return antiLab + preferences == 0 ? "" : $", {antiLab} anti-lab scenarios, {preferences} stated preferences";
    }

    private static Command Queries()
    {
        var name = new Argument<string>("pack") { Description = "A pack's name, or its folder." };
        var count = new Option<int>("--count") { Description = "Queries of each split; 1 to 1000000.", DefaultValueFactory = _ => 400 };
        var output = new Option<string?>("--output") { Description = "File to write; default: standard output." };
        var command = new Command(
            "queries",
            "Draw queries.jsonl from a pack's grammar: the same ones for the same name and version.\n\nExample:\n  rlharness pack queries "
                + "my/pack --count 400 --output my/pack/queries.jsonl"
        )
        {
            name.WithPacks(),
            count,
            output,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var generator = new CorpusGenerator(PackReader.WithoutQueries(PackLibrary.Find(parsed.GetValue(name)!)));
                var wanted = Options.Within("--count", parsed.GetValue(count), 1, 1000000);
                var text = string.Concat(
                    new[] { Split.Train, Split.Evaluation }
                        .SelectMany(s => generator.Queries(s, wanted))
                        .Select(q =>
                            JsonSerializer.Serialize(
                                new
                                {
                                    id = q.Id,
                                    text = q.Text,
                                    split = q.Split.ToString().ToLowerInvariant(),
                                    topic = q.Topic,
                                },
                                Plain
                            ) + "\n"
                        )
                );
                if (parsed.GetValue(output) is { } path)
                    AtomicFile.WriteAllText(path, text);
                else
                    Console.Write(text);
                return 0;
            })
        );
        return command;
    }
}
