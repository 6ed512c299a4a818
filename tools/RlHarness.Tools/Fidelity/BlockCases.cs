using System.Runtime.InteropServices;
using RlHarness.Formats.Files;

namespace RlHarness.Tools.Fidelity;

/// <summary>Quantised blocks and the fp32 values that they stand for, equal bit for bit (NaN as NaN).</summary>
internal static class BlockCases
{
    internal static IEnumerable<ExactCount> Of(string path)
    {
        if (!File.Exists(path))
            yield break;
        using var file = SafetensorsFile.Open(path);
        foreach (var key in file.Entries.Keys.Where(key => key.EndsWith(".bytes", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            var name = key[..^".bytes".Length];
            var expected = MemoryMarshal.Cast<byte, float>(file.Bytes(file.Entries[name + ".values"])).ToArray();
            var values = new float[expected.Length];
            if (Enum.TryParse<WeightType>(name, out var type))
                Dequantizer.ToFloat(type, file.Bytes(file.Entries[key]), values);
            yield return new ExactCount("gguf/blocks", name, Enumerable.Range(0, expected.Length).Count(i => expected[i].Equals(values[i])), expected.Length);
        }
    }
}
