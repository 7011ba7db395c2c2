/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virt-membacking-pagerd: pages guests that are larger than the host's memory. */

int main(void)
{
	return 1;
}
