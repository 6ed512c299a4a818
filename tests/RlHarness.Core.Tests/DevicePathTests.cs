using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using RlHarness.Tests;

namespace RlHarness.Core.Tests;

/// <summary>
/// What can be held of the device path without a device, over the syntax of the rooms that compute: a tensor factory that leaves its device out makes a tensor
/// on the processor, which no test without a card notices, and one that leaves its type out follows a default that a library may change.
/// </summary>
[Trait("kind", "contract")]
public class DevicePathTests
{
    /// <summary>Their type is a default where it is not named.</summary>
    private static readonly string[] OfADefaultType =
    [
        "zeros",
        "ones",
        "full",
        "empty",
        "arange",
        "rand",
        "randn",
        "randint",
        "randperm",
        "eye",
        "linspace",
        "logspace",
    ];

    /// <summary>Their type is that of what they are given.</summary>
    private static readonly string[] OfAGivenType = ["tensor", "as_tensor", "from_array", "frombuffer", "scalar_tensor", "sparse_coo_tensor"];

    [Theory]
    [InlineData("Models")]
    [InlineData("Training")]
    [InlineData("Recipes")]
    [InlineData("Serving")]
    public void Every_tensor_factory_names_its_device_and_type(string room)
    {
        var (seen, wrong) = Factories(Repository.At("src", $"RlHarness.{room}"));
        Assert.Empty(wrong);
        if (room is "Models" or "Training")
            Assert.True(seen > 5, $"only {seen} factories were found");
    }

    /// <summary>The check itself, on calls of which is known what it has to say.</summary>
    [Fact]
    public void A_factory_without_device_or_type_is_found()
    {
        const string Source = """
            using static TorchSharp.torch;
            class C
            {
                void M(TorchSharp.torch.Device d)
                {
                    torch.zeros(3);
                    torch.ones(3, device: d);
                    torch.tensor(1f);
                    zeros(3, dtype: torch.float32);
                    TorchSharp.torch.empty(3, dtype: torch.float32, device: d);
                    torch.tensor(1f, device: d);
                    x.zeros(3);
                }
            }
            """;
        var (seen, wrong) = Factories(Source, "C.cs");
        Assert.Equal(6, seen);
        Assert.Equal(["C.cs:6: torch.zeros: device, dtype", "C.cs:7: torch.ones: dtype", "C.cs:8: torch.tensor: device", "C.cs:9: zeros: device"], wrong);
    }

    /// <summary>
    /// Each read of a number waits for a device. <c>HostReads</c> counts them, and tests with the kernels off hold how many there are; that is worth
    /// something where there is no other way.
    /// </summary>
    [Theory]
    [InlineData("Models")]
    [InlineData("Training")]
    [InlineData("Recipes")]
    [InlineData("Serving")]
    public void Numbers_come_to_the_host_through_one_class_alone(string room)
    {
        var own = Path.Combine("Native", "Devices.cs");
        Assert.Empty(
            Files(Repository.At("src", $"RlHarness.{room}"))
                .Where(f => !f.EndsWith(own, StringComparison.Ordinal))
                .SelectMany(f => Reads(File.ReadAllText(f), Path.GetRelativePath(Repository.Root, f)))
        );
    }

    [Fact]
    public void A_read_by_any_other_way_is_found()
    {
        const string Source = """
            class C
            {
                void M(TorchSharp.torch.Tensor x)
                {
                    x.item<float>();
                    x.sum().data<long>().ToArray();
                    var host = x.cpu();
                    x.to(torch.CPU);
                    x.to(torch.ScalarType.Float64).to(CPU, copy: true);
                    var bytes = x.bytes;
                    x.ToDouble();
                    x.nonzero();
                    System.Convert.ToDouble(3);
                    x.to(device);
                    x.data();
                    HostReads.Number(x);
                }
            }
            """;
        Assert.Equal(["item", "data", "cpu", "to", "to", "bytes", "ToDouble", "nonzero"], Reads(Source, "C.cs").Select(r => r.Split(' ')[1]));
    }

    private static IReadOnlyList<string> Reads(string source, string file)
    {
        var tree = CSharpSyntaxTree.ParseText(source, cancellationToken: TestContext.Current.CancellationToken);
        var found = new List<string>();
        foreach (var access in tree.GetRoot(TestContext.Current.CancellationToken).DescendantNodes().OfType<MemberAccessExpressionSyntax>())
        {
            var name = access.Name.Identifier.ValueText;
            var arguments = (access.Parent as InvocationExpressionSyntax)?.ArgumentList.Arguments;
            var reads = name switch
            {
                "item" or "cpu" or "tolist" or "nonzero" or "masked_select" or "unique" => arguments is not null,
                "data" => access.Name is GenericNameSyntax,
                "bytes" => true,
                "to" => arguments is [{ Expression: var first }, ..] && first.ToString() is "CPU" or "torch.CPU" or "DeviceType.CPU",
                "ToSingle" or "ToDouble" or "ToInt32" or "ToInt64" or "ToBoolean" => arguments is { Count: 0 },
                _ => false,
            };
            if (reads)
                found.Add($"{file}:{tree.GetLineSpan(access.Name.Span).StartLinePosition.Line + 1} {name} of {access.Expression}");
        }

        return found;
    }

    private static IEnumerable<string> Files(string folder) =>
        Directory
            .EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            // Kernels are the processor's alone, and refuse what lies elsewhere.
            .Where(f => !f.Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin" or "Kernels"));

    private static (int Seen, IReadOnlyList<string> Wrong) Factories(string folder)
    {
        var all = Files(folder).Select(f => Factories(File.ReadAllText(f), Path.GetRelativePath(Repository.Root, f))).ToArray();
        return (all.Sum(f => f.Seen), [.. all.SelectMany(f => f.Wrong)]);
    }

    private static (int Seen, IReadOnlyList<string> Wrong) Factories(string source, string file)
    {
        var tree = CSharpSyntaxTree.ParseText(source, cancellationToken: TestContext.Current.CancellationToken);
        var root = tree.GetCompilationUnitRoot(TestContext.Current.CancellationToken);
        var bare = root.Usings.Any(u => u.StaticKeyword.ValueText == "static" && u.Name?.ToString() == "TorchSharp.torch");
        var (seen, wrong) = (0, new List<string>());
        foreach (var call in root.DescendantNodes().OfType<InvocationExpressionSyntax>())
        {
            var name = call.Expression switch
            {
                MemberAccessExpressionSyntax { Expression: var of, Name.Identifier.ValueText: var member }
                    when of.ToString() is "torch" or "TorchSharp.torch" => member,
                IdentifierNameSyntax identifier when bare => identifier.Identifier.ValueText,
                GenericNameSyntax generic when bare => generic.Identifier.ValueText,
                _ => "",
            };
            string[] wanted =
                OfADefaultType.Contains(name) ? ["device", "dtype"]
                : OfAGivenType.Contains(name) ? ["device"]
                : [];
            if (wanted.Length == 0)
                continue;
            seen++;
            var named = call.ArgumentList.Arguments.Select(a => a.NameColon?.Name.Identifier.ValueText).ToHashSet();
            var missing = wanted.Where(w => !named.Contains(w)).ToArray();
            if (missing.Length > 0)
                wrong.Add($"{file}:{tree.GetLineSpan(call.Span).StartLinePosition.Line + 1}: {call.Expression}: {string.Join(", ", missing)}");
        }

        return (seen, wrong);
    }
}
