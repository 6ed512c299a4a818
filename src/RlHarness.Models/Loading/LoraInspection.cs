using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Models.Families;

namespace RlHarness.Models.Loading;

/// <summary>What an adapter's files say, without its base.</summary>
/// <param name="Base">The base model that it names.</param>
/// <param name="Rank">Of most modules.</param>
/// <param name="Alpha">Of most modules.</param>
/// <param name="Targets">Last parts of the names of the modules that have matrices.</param>
/// <param name="Tensors">Their number.</param>
public sealed record LoraInspection(string? Base, int Rank, double Alpha, IReadOnlyList<string> Targets, int Tensors)
{
    private const string Config = "adapter_config.json";

    /// <summary>A folder with an adapter and no model of its own.</summary>
    internal static bool Is(string path) => File.Exists(Path.Combine(path, Config)) && !File.Exists(Path.Combine(path, "config.json"));

    internal static ModelInspection Of(string folder)
    {
        var path = Path.Combine(folder, Config);
        var json = SmallFile.ReadObject(path, "PEFT's adapter_config.json");
        var reader = new ConfigReader(json, path);
        var problems = new List<string>();
        try
        {
            LoraKinds.Refuse(json, path);
            _ = new LoraPatterns(json, path);
        }
        catch (HarnessException e)
        {
            problems.Add(e.Message.ReplaceLineEndings(";"));
        }

        using var file = SafetensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors"));
        var matrices = file.Entries.Keys.Where(k => k.EndsWith(".lora_A.weight", StringComparison.Ordinal)).ToArray();
        if (matrices.Length == 0)
            problems.Add($"{file.Path}: an adapter without weights");
        string[] targets = [.. matrices.Select(k => k.Split('.')[^3]).Distinct().Order(StringComparer.Ordinal)];
        return new ModelInspection
        {
            Path = folder,
            Format = "adapter",
            Architecture = reader.String("peft_type"),
            Dtypes = file.Entries.Values.GroupBy(e => e.Type.ToString()).ToDictionary(g => g.Key, g => g.Sum(e => e.Elements)),
            Adapter = new LoraInspection(
                reader.String("base_model_name_or_path"),
                reader.OptionalInt("r") ?? 8,
                reader.Positive("lora_alpha", 8),
                targets,
                file.Entries.Count
            ),
            NotSupported = problems,
        };
    }
}
