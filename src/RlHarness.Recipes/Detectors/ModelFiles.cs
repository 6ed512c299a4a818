using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using RlHarness.Core.Files;
using RlHarness.Core.Runs;

namespace RlHarness.Recipes.Detectors;

/// <summary>What a model is by the contents of its files, for the version of a detector that asks it.</summary>
internal static class ModelFiles
{
    /// <summary>Hashes of this process: a file of the same path, length and time is read once.</summary>
    private static readonly ConcurrentDictionary<(string, long, DateTime), string> Known = new();

    /// <summary>
    /// SHA-256 of names and contents: weights, configuration, tokenizer and chat template, and of an adapter those of the model that it is over. What only
    /// training reads (optimizers, the critic, the state of a checkpoint) is left out.
    /// </summary>
    public static string Hash(string path)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in Files(Path.GetFullPath(path), depth: 0))
            hash.AppendData(Encoding.UTF8.GetBytes($"{Path.GetFileName(file)} {HashOf(file)}\n"));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static IEnumerable<string> Files(string path, int depth)
    {
        if (File.Exists(path))
            return [path];
        string[] files = [.. Directory.GetFiles(path).Where(f => IsRead(Path.GetFileName(f))).Order(StringComparer.Ordinal)];
        return depth == 0 && BaseOf(path) is { } below ? files.Concat(Files(below, depth + 1)) : files;
    }

    private static bool IsRead(string name) =>
        name is not (CheckpointFolder.Manifest or "state.json" or "pending.json" or "critic.safetensors" or "README.md")
        && !name.EndsWith("_optimizer.safetensors", StringComparison.Ordinal)
        && !name.StartsWith('.');

    /// <summary>Where an adapter says that its model is; null where it is none, or the model is elsewhere.</summary>
    private static string? BaseOf(string folder)
    {
        var config = Path.Combine(folder, "adapter_config.json");
        if (!File.Exists(config))
            return null;
        try
        {
            using var json = JsonDocument.Parse(TextFile.Read(config, "an adapter_config.json", 16L << 20));
            var name = json.RootElement.GetProperty("base_model_name_or_path").GetString();
            if (string.IsNullOrEmpty(name))
                return null;
            var path = Path.GetFullPath(Path.Combine(folder, name));
            return Path.Exists(path) ? path : null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string HashOf(string file)
    {
        var info = new FileInfo(file);
        return Known.GetOrAdd((info.FullName, info.Length, info.LastWriteTimeUtc), _ => CheckpointFolder.HashOf(file));
    }
}
