using System.Text.Json;
using System.Text.Json.Nodes;
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
            using var drawn = torch.tensor(values, s.Rank, s.Columns, dtype: torch.float32, device: torch.CPU);
            adapters.Parameters[s.A].copy_(drawn);
        }

        return adapters;
    }

    public static LoraAdapters Load(string folder, Decoder decoder, bool requiresGrad = false) => Load(folder, decoder.Layout, decoder.Device, requiresGrad);

    /// <summary>Reads an adapter for a model whose weights are not in memory.</summary>
    internal static LoraAdapters Load(string folder, ParameterLayout layout, torch.Device device, bool requiresGrad = false)
    {
        var path = Path.Combine(folder, "adapter_config.json");
        if (!File.Exists(path))
            throw HarnessException.BadFile(path, "no adapter here", "absent", "a folder in PEFT's format");
        var json = SmallFile.ReadObject(path, "PEFT's adapter_config.json");
        LoraKinds.Refuse(json, path);
        var weights = Path.Combine(folder, "adapter_model.safetensors");
        if (!File.Exists(weights) && File.Exists(Path.Combine(folder, "adapter_model.bin")))
            throw HarnessException.BadFile(
                weights,
                "the adapter's weights are not in safetensors form",
                "adapter_model.bin",
                "adapter_model.safetensors",
                "write the adapter again with PEFT's save_pretrained"
            );
        using var file = SafetensorsFile.Open(weights);
        var reader = new ConfigReader(json, path);
        var alpha = reader.Positive("lora_alpha", 8);
        var rs = reader.Bool("use_rslora", false);
        var patterns = new LoraPatterns(json, path);
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
            if (a.Shape.Length != 2 || a.Shape[0] is < 1 or > int.MaxValue)
                throw HarnessException.BadFile(file.Path, $"{key} is no matrix", $"[{string.Join(", ", a.Shape)}]", $"[r, {disk.Shape[1]}]");
            if (!a.Shape.SequenceEqual([a.Shape[0], disk.Shape[1]]) || !b.Shape.SequenceEqual([disk.Shape[0], a.Shape[0]]))
                throw HarnessException.BadFile(
                    file.Path,
                    $"the adapter of {module} does not fit this model",
                    $"lora_A [{string.Join(", ", a.Shape)}], lora_B [{string.Join(", ", b.Shape)}]",
                    $"[r, {disk.Shape[1]}] and [{disk.Shape[0]}, r]",
                    "does it belong to another base model?"
                );
            var rank = (int)a.Shape[0];
            patterns.Check(module, rank, file.Path);
            var own = patterns.Alpha(module) ?? alpha;
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
        if (slices.Count == 0 && !file.Entries.ContainsKey(headKey))
            throw HarnessException.BadFile(
                file.Path,
                "an adapter without weights",
                $"{file.Entries.Count} tensors",
                "lora_A and lora_B of one module at least",
                "train the adapter, or leave it out"
            );
        torch.Tensor? head = null;
        if (file.Entries.TryGetValue(headKey, out var saved))
        {
            var rows = layout.Disk.First(d => d.DiskName is ParameterLayout.Embeddings).Shape;
            if (!saved.Shape.SequenceEqual(rows))
                throw HarnessException.BadFile(
                    file.Path,
                    $"{headKey} does not fit this model",
                    $"[{string.Join(", ", saved.Shape)}]",
                    $"[{string.Join(", ", rows)}]",
                    "does it belong to another base model?"
                );
            head = torch.zeros(saved.Shape, dtype: torch.float32, device: device);
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

    /// <summary>Writes an adapter as PEFT's <c>AutoPeftModelForCausalLM.from_pretrained(folder)</c> opens it.</summary>
    /// <param name="folder">Made where it is absent.</param>
    /// <param name="adapters">At least one.</param>
    /// <param name="baseModel">The base's folder or name on the hub; a path that begins with a dot counts from <paramref name="folder"/>.</param>
    public static void Save(string folder, LoraAdapters adapters, string baseModel)
    {
        Directory.CreateDirectory(folder);
        // PEFT looks for a relative path from wherever it is run: only a full one opens from any folder.
        if (baseModel.StartsWith('.'))
            baseModel = Path.GetFullPath(baseModel, Path.GetFullPath(folder));
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
            ModelSaver.Write(stream, adapters.Parameters[s.Name], 0, s.Shape[0], s.Name)
        ));
        if (adapters.SavedHead is { } head)
            sources = sources.Append(
                new WeightSource(Prefix + "lm_head.weight", WeightType.F32, head.shape, stream =>
                    ModelSaver.Write(stream, head, 0, head.shape[0], "lm_head.weight")
                )
            );
        SafetensorsWriter.Write(Path.Combine(folder, "adapter_model.safetensors"), sources, new Dictionary<string, string> { ["format"] = "pt" });
    }

    private static JsonObject Varying(LoraAdapters adapters, Func<LoraSlice, double> value, double usual) =>
        new(adapters.Slices.Where(s => value(s) != usual).Select(s => KeyValuePair.Create(s.DiskModule, (JsonNode?)JsonValue.Create(value(s)))));

    private static IEnumerable<DiskTensor> Targets(ParameterLayout layout) =>
        layout.Disk.Where(d => d.Shape.Length == 2 && d.DiskName != ParameterLayout.Embeddings);

    private static bool IsHead(DiskTensor disk) => disk.DiskName == ParameterLayout.Head;

    private static string Last(string name) => name.Split('.')[^2];

    private static LoraSlice Slice(DiskTensor disk, int rank, double scale) =>
        new(disk.DiskName[..^".weight".Length], disk.Parameter[..^".weight".Length], disk.Offset, disk.Rows, disk.Shape[1], rank, scale);
}
