using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Families;
using RlHarness.Models.Loading;
using RlHarness.Models.Verification;
using TorchSharp;

namespace RlHarness.Tools.Fidelity;

/// <summary>
/// Every case of a golden folder, whatever cases it has: models in both spellings of config.json, adapters, GGUF, the real model, tokenizers, chat
/// templates.
/// </summary>
public static class GoldenSuite
{
    /// <param name="golden">The folder of golden values.</param>
    /// <param name="models">The folder of real models, or null.</param>
    /// <param name="device">Where models compute.</param>
    /// <param name="progress">Told the name of each case before it is run.</param>
    /// <exception cref="HarnessException">The folder has no golden cases, or a file of it is cut.</exception>
    public static FidelityReport Run(string golden, string? models, torch.Device device, Action<string> progress)
    {
        if (!Directory.Exists(Path.Combine(golden, "models")))
            throw HarnessException.BadFile(
                golden,
                "no golden values here",
                "no folder models",
                "folders models, gguf, tokenizers, …",
                "set RLHARNESS_GOLDEN to the folder, or give --golden"
            );
        var (rows, absent) = (new List<FidelityRow>(), new List<string>());
        foreach (var folder in Folders(golden, "models"))
        {
            progress("models/" + Path.GetFileName(folder));
            if (File.Exists(Path.Combine(folder, "adapter_config.json")))
                rows.Add(Adapter(folder, device));
            else
                rows.Add(Model(folder, device));
        }

        foreach (var file in Files(golden, "gguf", "*.gguf"))
        {
            var name = Path.GetFileNameWithoutExtension(file);
            progress("gguf/" + name);
            rows.Add(
                new FidelityRow(
                    "gguf",
                    Family(file),
                    name,
                    ModelVerifier.Verify(file, Path.Combine(golden, "gguf", name + ".expected.safetensors"), device).Checks
                )
            );
        }

        var real = Real(golden, models, absent);
        if (real is not null)
        {
            progress("smollm2");
            rows.Add(
                new FidelityRow(
                    "smollm2",
                    Family(real),
                    Path.GetFileNameWithoutExtension(real),
                    ModelVerifier.Verify(real, Path.Combine(golden, "smollm2", "expected.safetensors"), device).Checks
                )
            );
        }

        absent.AddRange(
            DecoderFamilies
                .All.Select(family => family.ModelType)
                .Except(rows.Select(row => row.Family))
                .Select(name => $"family {name}: it has no golden case")
        );
        return new FidelityReport(rows, [.. Exact(golden, real, absent, progress)], absent);
    }

    private static FidelityRow Model(string folder, torch.Device device)
    {
        var configs = new[] { "config.json", "config.v4.json" }.Where(name => File.Exists(Path.Combine(folder, name))).ToArray();
        var checks = configs.SelectMany(config =>
            ModelVerifier.Verify(folder, Path.Combine(folder, "expected.safetensors"), device, configName: config).Checks
        );
        return new FidelityRow(
            "models",
            Family(folder),
            Path.GetFileName(folder),
            [.. checks.GroupBy(check => check.Kind).Select(kind => kind.MaxBy(check => double.IsNaN(check.Error) ? double.PositiveInfinity : check.Error)!)]
        );
    }

    private static FidelityRow Adapter(string folder, torch.Device device)
    {
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!;
        var model = Path.GetFullPath(Path.Combine(folder, json["base_model_name_or_path"]!.GetValue<string>()));
        return new FidelityRow(
            "adapters",
            Family(model),
            Path.GetFileName(folder),
            ModelVerifier.Verify(model, Path.Combine(folder, "expected.safetensors"), device, folder).Checks
        );
    }

    private static IEnumerable<ExactCount> Exact(string golden, string? real, List<string> absent, Action<string> progress)
    {
        foreach (var count in BlockCases.Of(Path.Combine(golden, "gguf", "blocks.safetensors")))
            yield return count;
        foreach (var folder in Folders(golden, "tokenizers"))
        {
            var name = Path.GetFileName(folder);
            progress("tokenizers/" + name);
            if (File.Exists(Path.Combine(folder, "tokenizer.json")))
                yield return TokenizerCases.Of(folder, Tokenizer.Load(folder));
            else if (real is null)
                absent.Add($"tokenizers/{name}: its model is not there");
            else
                using (var file = GgufFile.Open(real))
                    yield return TokenizerCases.Of(folder, Tokenizer.FromGguf(file));
        }

        foreach (var file in Files(golden, "chat_templates", "*.jinja"))
            yield return TemplateCases.Of(file);
        if (File.Exists(Path.Combine(golden, "chat_templates", "snippets.json")))
            yield return TemplateCases.OfSnippets(Path.Combine(golden, "chat_templates", "snippets.json"));
    }

    private static string? Real(string golden, string? models, List<string> absent)
    {
        var info = Path.Combine(golden, "smollm2", "expected.json");
        if (!File.Exists(info))
            return null;
        var name = JsonNode.Parse(File.ReadAllText(info))!["model"]!.GetValue<string>();
        var found = models is null ? null : Directory.EnumerateFiles(models, name, SearchOption.AllDirectories).FirstOrDefault();
        if (found is null)
            absent.Add($"smollm2: {name} is not below RLHARNESS_MODELS");
        return found;
    }

    private static string Family(string model)
    {
        using var opened = ModelLoader.Open(model);
        return opened.Family.ModelType;
    }

    private static IEnumerable<string> Folders(string golden, string name) =>
        Directory.Exists(Path.Combine(golden, name)) ? Directory.EnumerateDirectories(Path.Combine(golden, name)).Order(StringComparer.Ordinal) : [];

    private static IEnumerable<string> Files(string golden, string name, string pattern) =>
        Directory.Exists(Path.Combine(golden, name)) ? Directory.EnumerateFiles(Path.Combine(golden, name), pattern).Order(StringComparer.Ordinal) : [];
}
