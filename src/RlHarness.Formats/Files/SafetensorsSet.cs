using System.Text.Json;
using RlHarness.Core.Errors;

namespace RlHarness.Formats.Files;

/// <summary>The weights of a Hugging Face folder: <c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c> names.</summary>
public sealed class SafetensorsSet : IWeightFile
{
    private readonly List<SafetensorsFile> _files;
    private readonly Dictionary<string, SafetensorsFile> _owners;

    private SafetensorsSet(string path, List<SafetensorsFile> files, Dictionary<string, SafetensorsFile> owners)
    {
        (Path, _files, _owners) = (path, files, owners);
        Entries = owners.ToDictionary(pair => pair.Key, pair => pair.Value.Entries[pair.Key], StringComparer.Ordinal);
    }

    public string Path { get; }

    public IReadOnlyDictionary<string, WeightEntry> Entries { get; }

    /// <summary>Opens a folder; <paramref name="name"/> is the stem of the file names.</summary>
    /// <exception cref="HarnessException">Neither file is there, a shard is missing, or a weight is not where the index says.</exception>
    public static SafetensorsSet Open(string folder, string name = "model")
    {
        if (!Directory.Exists(folder))
            throw HarnessException.BadFile(folder, "no such folder", expected: "a Hugging Face model folder", remedy: "check the path");
        var single = System.IO.Path.Combine(folder, name + ".safetensors");
        var index = System.IO.Path.Combine(folder, name + ".safetensors.index.json");
        var files = new List<SafetensorsFile>();
        var owners = new Dictionary<string, SafetensorsFile>(StringComparer.Ordinal);
        try
        {
            if (File.Exists(index))
                OpenShards(folder, index, single, files, owners);
            else if (File.Exists(single))
                OpenSingle(single, files, owners);
            else
                throw HarnessException.BadFile(
                    folder,
                    "holds no weights",
                    expected: $"{name}.safetensors or {name}.safetensors.index.json",
                    remedy: "fetch the weights in safetensors form"
                );
            return new SafetensorsSet(folder, files, owners);
        }
        catch
        {
            foreach (var file in files)
                file.Dispose();
            throw;
        }
    }

    public ReadOnlySpan<byte> Bytes(WeightEntry entry) => _owners[entry.Name].Bytes(entry);

    public ReadOnlySpan<byte> Bytes(WeightEntry entry, long start, int count) => _owners[entry.Name].Bytes(entry, start, count);

    public void Dispose()
    {
        foreach (var file in _files)
            file.Dispose();
    }

    private static void OpenSingle(string path, List<SafetensorsFile> files, Dictionary<string, SafetensorsFile> owners)
    {
        var file = SafetensorsFile.Open(path);
        files.Add(file);
        foreach (var key in file.Entries.Keys)
            owners.Add(key, file);
    }

    private static void OpenShards(string folder, string index, string single, List<SafetensorsFile> files, Dictionary<string, SafetensorsFile> owners)
    {
        var map = ReadIndex(index);
        if (File.Exists(single) && !map.ContainsValue(System.IO.Path.GetFileName(single)))
            throw HarnessException.BadFile(
                folder,
                "holds two sets of weights",
                $"{System.IO.Path.GetFileName(single)} and {System.IO.Path.GetFileName(index)} with {map.Values.Distinct().Count()} other files",
                "one set: transformers reads the single file, others the index",
                "remove the one that does not belong to the model"
            );
        var missing = map.Values.Distinct().Where(shard => !File.Exists(System.IO.Path.Combine(folder, shard))).Order(StringComparer.Ordinal).ToArray();
        if (missing.Length > 0)
        {
            throw HarnessException.BadFile(
                index,
                "names files that are not there",
                $"missing: {string.Join(", ", missing.Take(8))}{(missing.Length > 8 ? ", …" : "")}",
                $"{map.Values.Distinct().Count()} files beside the index",
                "fetch the missing files"
            );
        }

        var opened = new Dictionary<string, SafetensorsFile>(StringComparer.Ordinal);
        foreach (var shard in map.Values.Distinct().Order(StringComparer.Ordinal))
        {
            opened[shard] = SafetensorsFile.Open(System.IO.Path.Combine(folder, shard));
            files.Add(opened[shard]);
        }

        foreach (var (weight, shard) in map)
        {
            if (!opened[shard].Entries.ContainsKey(weight))
            {
                throw HarnessException.BadFile(
                    index,
                    $"weight '{weight}' is not in the file that the index names",
                    shard,
                    "a file that holds it",
                    "fetch index and shards of the same version"
                );
            }

            owners.Add(weight, opened[shard]);
        }

        // A shard may hold what the index leaves out; two of them must not hold the same.
        foreach (var (shard, file) in opened)
        {
            foreach (var weight in file.Entries.Keys)
            {
                if (!owners.TryAdd(weight, file) && owners[weight] != file)
                    throw HarnessException.BadFile(
                        folder,
                        $"weight '{weight}' is in two files",
                        $"{shard} and {System.IO.Path.GetFileName(owners[weight].Path)}",
                        "each weight once",
                        "fetch index and shards of the same version"
                    );
            }
        }
    }

    private static Dictionary<string, string> ReadIndex(string path)
    {
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            using var json = JsonDocument.Parse(SmallFile.ReadJson(path, "an index of weights"), new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (
                json.RootElement.ValueKind != JsonValueKind.Object
                || !json.RootElement.TryGetProperty("weight_map", out var weights)
                || weights.ValueKind != JsonValueKind.Object
            )
            {
                throw HarnessException.BadFile(path, "has no weight_map", expected: "{\"weight_map\": {weight: file}}", remedy: "fetch the index again");
            }

            foreach (var pair in weights.EnumerateObject())
            {
                var shard = pair.Value.ValueKind == JsonValueKind.String ? pair.Value.GetString()! : "";
                if (shard.Length == 0 || shard != System.IO.Path.GetFileName(shard))
                {
                    throw HarnessException.BadFile(
                        path,
                        $"the file of weight '{pair.Name}' is not a plain file name",
                        pair.Value.GetRawText(),
                        "a name beside the index"
                    );
                }

                map[pair.Name] = shard;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException)
        {
            throw HarnessException.BadFile(path, "cannot be read as a JSON index", e.Message, remedy: "fetch the index again", inner: e);
        }

        return map;
    }
}
