using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Formats.Files;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using TorchSharp;

namespace RlHarness.Models.Loading;

/// <summary>Reads and writes adapters in PEFT's format (adapter_config.json, adapter_model.safetensors).</summary>
public static class LoraFolder
{
    private const string Prefix = "base_model.model.";
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Fresh adapters on the named projections: A from a seeded Kaiming-uniform draw, B zero, as PEFT starts them.</summary>
    public static LoraAdapters Create(Decoder decoder, IReadOnlyList<string> targets, int rank, double alpha, Core.Randomness.RandomStream random)
    {
        var slices = Targets(decoder.Layout)
            .Where(d => targets.Contains("all-linear") ? !IsHead(d) : targets.Contains(Last(d.DiskName)))
            .Select(d => Slice(d, rank, alpha / rank))
            .ToArray();
        if (slices.Length == 0)
            throw new HarnessException(
                ErrorKind.BadInput,
                "LoRA targets name no projection of this model",
                string.Join(", ", targets),
                string.Join(", ", Targets(decoder.Layout).Select(d => Last(d.DiskName)).Distinct())
            );
        var adapters = new LoraAdapters(slices, decoder.Device, requiresGrad: true);
        using var guard = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        foreach (var s in slices)
        {
            var bound = Math.Sqrt(1.0 / s.Columns); // kaiming_uniform with a = √5
            var values = new float[s.Rank * s.Columns];
            for (var i = 0; i < values.Length; i++)
                values[i] = (float)((random.NextDouble() * 2 - 1) * bound);
            using var drawn = torch.tensor(values, s.Rank, s.Columns);
            adapters.Parameters[s.A].copy_(drawn);
        }

        return adapters;
    }

    public static LoraAdapters Load(string folder, Decoder decoder, bool requiresGrad = false) => Load(folder, decoder.Layout, decoder.Device, requiresGrad);

    /// <summary>The same for a model whose weights are not in memory.</summary>
    internal static LoraAdapters Load(string folder, ParameterLayout layout, torch.Device device, bool requiresGrad = false)
    {
        var path = Path.Combine(folder, "adapter_config.json");
        if (!File.Exists(path))
            throw HarnessException.BadFile(path, "no adapter here", "absent", "a folder in PEFT's format");
        JsonObject json;
        try
        {
            json = JsonNode.Parse(File.ReadAllText(path)) as JsonObject ?? throw new JsonException("no object");
        }
        catch (JsonException e)
        {
            throw HarnessException.BadFile(path, "not a JSON object", e.Message, "PEFT's adapter_config.json", inner: e);
        }

        Refuse(json, path);
        using var file = SafetensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors"));
        var reader = new ConfigReader(json, path);
        var alpha = reader.Double("lora_alpha", 8);
        var rs = reader.Bool("use_rslora", false);
        var slices = new List<LoraSlice>();
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var disk in Targets(layout))
        {
            var module = disk.DiskName[..^".weight".Length];
            var key = $"{Prefix}{module}.lora_A.weight";
            if (!file.Entries.TryGetValue(key, out var a))
                continue;
            known.Add(key);
            var second = $"{Prefix}{module}.lora_B.weight";
            known.Add(second);
            if (!file.Entries.TryGetValue(second, out var b))
                throw HarnessException.BadFile(file.Path, $"{second} is missing", "lora_A alone", "lora_A and lora_B of each module");
            if (a.Shape.Length != 2 || !a.Shape.SequenceEqual([a.Shape[0], disk.Shape[1]]) || !b.Shape.SequenceEqual([disk.Shape[0], a.Shape[0]]))
                throw HarnessException.BadFile(
                    file.Path,
                    $"the adapter of {module} does not fit this model",
                    $"lora_A [{string.Join(", ", a.Shape)}], lora_B [{string.Join(", ", b.Shape)}]",
                    $"[r, {disk.Shape[1]}] and [{disk.Shape[0]}, r]",
                    "does it belong to another base model?"
                );
            var rank = (int)a.Shape[0];
            var own = Pattern(json["alpha_pattern"], module) ?? alpha;
            slices.Add(Slice(disk, rank, own / (rs ? Math.Sqrt(rank) : rank)));
        }

        var headKey = Prefix + "lm_head.weight";
        var strange = file.Entries.Keys.Where(k => !known.Contains(k) && k != headKey).ToArray();
        if (strange.Length > 0)
            throw HarnessException.BadFile(
                file.Path,
                "tensors that this model has no place for",
                string.Join(", ", strange.Take(5)),
                $"lora_A and lora_B of {string.Join(", ", Targets(layout).Select(d => Last(d.DiskName)).Distinct())}, or lm_head"
            );
        torch.Tensor? head = null;
        if (file.Entries.TryGetValue(headKey, out var saved))
        {
            head = torch.zeros(saved.Shape, device: device);
            WeightReader.Into(file, saved, head);
            if (requiresGrad)
                head.requires_grad_(true);
        }

        var adapters = new LoraAdapters(slices, device, requiresGrad, head);
        foreach (var s in slices)
        {
            WeightReader.Into(file, file.Entries[Prefix + s.A], adapters.Parameters[s.A]);
            WeightReader.Into(file, file.Entries[Prefix + s.B], adapters.Parameters[s.B]);
        }

        return adapters;
    }

    public static void Save(string folder, LoraAdapters adapters, string baseModel)
    {
        Directory.CreateDirectory(folder);
        var first = adapters.Slices[0];
        var json = new JsonObject
        {
            ["peft_type"] = "LORA",
            ["task_type"] = "CAUSAL_LM",
            ["base_model_name_or_path"] = baseModel,
            ["r"] = first.Rank,
            ["lora_alpha"] = first.Scale * first.Rank,
            ["lora_dropout"] = 0.0,
            ["bias"] = "none",
            ["use_rslora"] = false,
            ["use_dora"] = false,
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["rank_pattern"] = Varying(adapters, s => s.Rank, first.Rank),
            ["alpha_pattern"] = Varying(adapters, s => s.Scale * s.Rank, first.Scale * first.Rank),
            ["target_modules"] = new JsonArray([
                .. adapters.Slices.Select(s => Last(s.DiskModule + ".weight")).Distinct().Order(StringComparer.Ordinal).Select(n => JsonValue.Create(n)),
            ]),
            ["modules_to_save"] = adapters.SavedHead is null ? null : new JsonArray("lm_head"),
        };
        AtomicFile.WriteAllText(Path.Combine(folder, "adapter_config.json"), json.ToJsonString(Indented) + "\n");
        var sources = adapters.Parameters.Specs.Select(s => new WeightSource(Prefix + s.Name, WeightType.F32, s.Shape, stream =>
            ModelSaver.Write(stream, adapters.Parameters[s.Name], 0, s.Shape[0])
        ));
        if (adapters.SavedHead is { } head)
            sources = sources.Append(
                new WeightSource(Prefix + "lm_head.weight", WeightType.F32, head.shape, stream => ModelSaver.Write(stream, head, 0, head.shape[0]))
            );
        SafetensorsWriter.Write(Path.Combine(folder, "adapter_model.safetensors"), sources, new Dictionary<string, string> { ["format"] = "pt" });
    }

    private static JsonObject Varying(LoraAdapters adapters, Func<LoraSlice, double> value, double usual) =>
        new(adapters.Slices.Where(s => value(s) != usual).Select(s => KeyValuePair.Create(s.DiskModule, (JsonNode?)JsonValue.Create(value(s)))));

    private static void Refuse(JsonObject json, string path)
    {
        void No(string key, Func<JsonNode, bool> fine, string expected)
        {
            if (json[key] is { } node && !fine(node))
                throw HarnessException.BadFile(path, $"adapter kind not supported: {key}", node.ToJsonString(), expected);
        }

        foreach (
            var (key, only) in new[]
            {
                ("peft_type", "\"LORA\""),
                ("use_dora", "false"),
                ("bias", "\"none\""),
                ("lora_bias", "false"),
                ("fan_in_fan_out", "false"),
            }
        )
            No(key, n => n.ToJsonString() == only, only);
        No("modules_to_save", n => n is JsonArray names && names.All(m => m?.ToJsonString() == "\"lm_head\""), "[\"lm_head\"] or null");
        foreach (var key in new[] { "layer_replication", "use_qalora", "use_bdlora", "trainable_token_indices", "target_parameters" })
            No(key, n => n is JsonValue v && v.TryGetValue<bool>(out var b) && !b, "null or false");
    }

    /// <summary>PEFT's patterns match the end of a module's name: the key itself, or anything, a dot, and the key.</summary>
    private static double? Pattern(JsonNode? patterns, string module)
    {
        if (patterns is not JsonObject map)
            return null;
        foreach (var (key, value) in map)
            if (Regex.IsMatch(module, $@"(.*\.)?({key})$", RegexOptions.None, TimeSpan.FromSeconds(1)))
                return value!.GetValue<double>();
        return null;
    }

    private static IEnumerable<DiskTensor> Targets(ParameterLayout layout) =>
        layout.Disk.Where(d => d.Shape.Length == 2 && d.DiskName != ParameterLayout.Embeddings);

    private static bool IsHead(DiskTensor disk) => disk.DiskName == ParameterLayout.Head;

    private static string Last(string name) => name.Split('.')[^2];

    private static LoraSlice Slice(DiskTensor disk, int rank, double scale) =>
        new(disk.DiskName[..^".weight".Length], disk.Parameter[..^".weight".Length], disk.Offset, disk.Rows, disk.Shape[1], rank, scale);
}
