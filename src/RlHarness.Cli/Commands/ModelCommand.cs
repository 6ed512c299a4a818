using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Reading;
using RlHarness.Recipes.Settings;

namespace RlHarness.Cli.Commands;

internal static class ModelCommand
{
    internal static Command Create()
    {
        var path = new Argument<string[]>("path")
        {
            Description = "Hugging Face folders, GGUF files, adapters in PEFT's format, or runs (their newest model); names below RLHARNESS_MODELS work too.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var list = new Option<string?>("--list") { Description = "A file with one path a line; prints one line of JSON for each." };
        var json = Options.Json();
        var inspect = new Command(
            "inspect",
            "Say what a model is, without loading its weights: family, size, dtypes, tokenizer, chat template, and what is not supported. "
                + "Exit code 1 when something is not.\n\nExamples:\n  rlharness model inspect ../shared/models/SmolLM2-135M-Instruct-GGUF\n  "
                + "rlharness model inspect model.gguf --json\n  rlharness model inspect --list paths.txt"
        )
        {
            path,
            list,
            json,
        };
        inspect.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var listed = parsed.GetValue(list);
                string[] paths = [.. parsed.GetValue(path) ?? [], .. listed is null ? [] : Lines(listed)];
                if (paths.Length == 0)
                    throw new HarnessException(ErrorKind.BadInput, "nothing to inspect", "no path", "at least one path, or --list FILE");
                return listed is null && paths.Length == 1 ? One(paths[0], parsed.GetValue(json)) : paths.Max(Line);
            })
        );
        return new Command("model", "Look at model files, compare and convert them.") { inspect, ModelVerifyCommand.Create(), ModelConvertCommand.Create() };
    }

    private static IEnumerable<string> Lines(string file) =>
        System
            .Text.Encoding.UTF8.GetString(SmallFile.Read(file, "a list of paths", SmallFile.LargestSettings))
            .Split('\n')
            .Select(line => line.Trim())
            .Where(line => line.Length > 0);

    private static int One(string path, bool json)
    {
        var inspection = Inspect(path);
        if (json)
            JsonOutput.Print(inspection);
        else
            Print(inspection);
        return inspection.NotSupported.Count == 0 ? 0 : (int)ExitCode.CheckFailed;
    }

    // A path that can't be read is a line like the others, so that one of them does not end the list.
    private static int Line(string path)
    {
        try
        {
            var inspection = Inspect(path);
            JsonOutput.PrintLine(inspection);
            return inspection.NotSupported.Count == 0 ? 0 : (int)ExitCode.CheckFailed;
        }
        catch (HarnessException e)
        {
            JsonOutput.PrintLine(new { Path = path, Error = e.Message });
            return (int)ExitCodes.Of(e.Kind);
        }
    }

    private static ModelInspection Inspect(string path) => ModelInspection.Of(RunModel.IsRun(path) ? RunModel.Newest(path) : ModelLibrary.Find(path));

    private static void Print(ModelInspection m)
    {
        string N(double x) => x.ToString("n0", CultureInfo.InvariantCulture);
        var known = m.Layers > 0;
        Fields.Print([
            ("path", m.Path),
            ("format", m.Format),
            ("family", m.Family ?? "unknown"),
            ("architecture", m.Architecture),
            ("parameters", known ? string.Create(CultureInfo.InvariantCulture, $"{N(m.Parameters)} ({m.Parameters / 1e6:f1} M)") : null),
            (
                "shape",
                known
                    ? $"{m.Layers} layers, hidden {m.HiddenSize}, feed-forward {m.IntermediateSize}, {m.AttentionHeads} heads over {m.KeyValueHeads} "
                        + $"key/value heads of {m.HeadDim}"
                    : null
            ),
            ("embeddings", known ? $"{m.VocabularySize}, {(m.TiedEmbeddings ? "tied to the head" : "head of its own")}" : null),
            ("context length", known ? $"{m.ContextLength}{(m.SlidingWindow is { } w ? $", sliding window {w}" : "")}" : null),
            ("rope", m.Rope),
            ("dtypes", known ? string.Join(", ", m.Dtypes.Select(d => $"{d.Key} {N(d.Value)}")) : null),
            (
                "tokenizer",
                known
                    ? m.Tokenizer is null
                        ? "none"
                        : $"{m.Tokenizer}, {m.TokenizerSize} tokens"
                    : null
            ),
            ("special tokens", m.SpecialTokens.Count > 0 ? string.Join(", ", m.SpecialTokens.Select(t => $"{t.Key} {t.Value}")) : null),
            ("answers end at", m.EndTokenIds.Count > 0 ? "ids " + string.Join(", ", m.EndTokenIds) : null),
            (
                "chat template",
                known
                    ? m.HasChatTemplate
                        ? m.TemplateReadsClock
                            ? "yes; it reads the clock (strftime_now), so its text depends on the date"
                            : "yes"
                        : "none"
                    : null
            ),
            ("adapter over", m.Adapter?.Base),
            ("rank, alpha", m.Adapter is { } a ? $"{a.Rank}, {a.Alpha.ToString(CultureInfo.InvariantCulture)}" : null),
            ("adapts", m.Adapter is { } b ? $"{b.Tensors} tensors on {string.Join(", ", b.Targets)}" : null),
            ("note", m.Warnings.Count > 0 ? string.Join(Environment.NewLine + "                ", m.Warnings) : null),
            (
                "unused tensors",
                m.UnusedTensors.Count > 0
                    ? $"{m.UnusedTensors.Count}: {string.Join(", ", m.UnusedTensors.Take(4))}{(m.UnusedTensors.Count > 4 ? ", …" : "")}"
                    : null
            ),
            (
                "not supported",
                m.NotSupported.Count == 0
                    ? m.Adapter is null
                        ? "nothing: it can be loaded and trained"
                        : "nothing: it can be loaded over its base"
                    : string.Join(Environment.NewLine + "                ", m.NotSupported)
            ),
        ]);
    }
}
