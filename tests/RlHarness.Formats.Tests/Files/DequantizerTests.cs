using System.Runtime.InteropServices;
using RlHarness.Formats.Files;
using RlHarness.Tests;

namespace RlHarness.Formats.Tests.Files;

[Trait("kind", "arithmetic")]
public sealed class DequantizerTests
{
    [Theory]
    [InlineData("Q4_0")]
    [InlineData("Q4_1")]
    [InlineData("Q5_0")]
    [InlineData("Q5_1")]
    [InlineData("Q8_0")]
    [InlineData("Q2_K")]
    [InlineData("Q3_K")]
    [InlineData("Q4_K")]
    [InlineData("Q5_K")]
    [InlineData("Q6_K")]
    [InlineData("IQ4_NL")]
    [InlineData("IQ4_XS")]
    [InlineData("TQ1_0")]
    [InlineData("TQ2_0")]
    [InlineData("BF16")]
    public void Blocks_stand_for_the_values_that_gguf_py_gives(string name)
    {
        using var file = SafetensorsFile.Open(Golden.Require("gguf", "blocks.safetensors"));
        var bytes = file.Bytes(file.Entries[name + ".bytes"]);
        var expected = MemoryMarshal.Cast<byte, float>(file.Bytes(file.Entries[name + ".values"])).ToArray();
        var values = new float[expected.Length];
        Dequantizer.ToFloat(Enum.Parse<WeightType>(name), bytes, values);
        Assert.Equal(expected, values);
    }

    [Fact]
    public void Halves_become_floats()
    {
        Half[] halves = [(Half)1.5f, (Half)(-0.25f), Half.Epsilon, Half.MaxValue];
        var values = new float[4];
        Dequantizer.ToFloat(WeightType.F16, MemoryMarshal.AsBytes<Half>(halves), values);
        Assert.Equal([1.5f, -0.25f, MathF.Pow(2, -24), 65504f], values);
    }

    [Theory]
    [InlineData(0x38, 1f)]
    [InlineData(0xB8, -1f)]
    [InlineData(0x01, 0.001953125f)] // 2^-9, the smallest
    [InlineData(0x7E, 448f)] // the largest
    [InlineData(0x7F, float.NaN)]
    public void Eight_bit_floats_follow_E4M3(byte stored, float expected)
    {
        var values = new float[1];
        Dequantizer.ToFloat(WeightType.F8_E4M3, [stored], values);
        Assert.Equal(expected, values[0]);
    }

    [Fact]
    public void Lengths_that_do_not_fit_are_refused() =>
        Assert.Throws<ArgumentException>(() => Dequantizer.ToFloat(WeightType.Q8_0, new byte[33], new float[32]));
}
