using RlHarness.Training.Batching;

namespace RlHarness.Training.Tests.Batching;

[Trait("kind", "contract")]
public sealed class ReplicasTests
{
    [Fact]
    public void Parts_have_each_sequence_once_and_about_as_many_tokens()
    {
        int[] lengths = [9, 1, 8, 2, 7, 3, 6, 4];
        var parts = Replicas.Deal(lengths, l => l, 2);
        // sorted 1 2 3 4 6 7 8 9, dealt 1 | 2 3 | 4 6 | 7 8 | 9
        Assert.Equal([1, 4, 6, 9], parts[0]);
        Assert.Equal([2, 3, 7, 8], parts[1]);
        Assert.Equal([lengths], Replicas.Deal(lengths, l => l, 1));
    }
}
