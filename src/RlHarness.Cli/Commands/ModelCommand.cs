using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Terminal;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Settings;

namespace RlHarness.Cli.Commands;

internal static class ModelCommand
{
    internal static Command Create()
    {
        var path = new Argument<string>("path") { Description = "A Hugging Face folder or a GGUF file; names below RLHARNESS_MODELS work too." };
        var json = Options.Json();
        var inspect = new Command(
            "inspect",
            "Say what a model is, without loading its weights: family, size, dtypes, tokenizer, chat template, and what is not supported. "
                + "Exit code 1 when something is not.\n\nExamples:\n  rlharness model inspect ../shared/models/SmolLM2-135M-Instruct-GGUF\n  "
                + "rlharness model inspect model.gguf --json"
        )
        {
            path,
            json,
        };
        inspect.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var inspection = ModelInspection.Of(ModelLibrary.Find(parsed.GetValue(path)!));
                if (parsed.GetValue(json))
                    JsonOutput.Print(inspection);
                else
                    Print(inspection);
                return inspection.NotSupported.Count == 0 ? 0 : (int)ExitCode.CheckFailed;
            })
        );
        return new Command("model", "Look at model files, compare and convert them.") { inspect, ModelVerifyCommand.Create(), ModelConvertCommand.Create() };
    }

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
                        ? "yes"
                        : "none"
                    : null
            ),
            (
                "unused tensors",
                m.UnusedTensors.Count > 0
                    ? $"{m.UnusedTensors.Count}: {string.Join(", ", m.UnusedTensors.Take(4))}{(m.UnusedTensors.Count > 4 ? ", …" : "")}"
                    : null
            ),
            (
                "not supported",
                m.NotSupported.Count == 0 ? "nothing: it can be loaded and trained" : string.Join(Environment.NewLine + "                ", m.NotSupported)
            ),
        ]);
    }
}
